// Builds what is seen, out of elements and text: whatever somebody has named themselves is text.

const data = JSON.parse(document.getElementById("data").textContent);
const pageLanguage = document.documentElement.lang;

export const { server, concierge, client } = data;

// A text of the page's, with what stands for the names in braces. One that counts has two forms.
export function say(key, values = {}) {
  const text = data.words[key];
  const form = typeof text === "string" ? text : text[values[text.number] === 1 ? "one" : "other"] ?? text.other;
  return form.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

// An element. `on…` is a listener, true is an attribute without a value, null and false are none.
export function make(tag, attributes = {}, ...children) {
  const element = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// A name that someone chose, without what would turn the text around it or break its line.
export function plain(text) {
  return (text ?? "").replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]+/gu, " ").trim();
}

// The same inside a sentence: a name written from right to left leaves the sentence in its order.
export function isolated(text) {
  return `\u2068${plain(text)}\u2069`;
}

export function number(value) {
  return new Intl.NumberFormat(pageLanguage).format(value);
}

export function moment(ms) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(ms);
}

export function day(ms) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeZone: "UTC" }).format(ms);
}

// The page's language, as it is written where the reader lives (en-GB rather than en).
function locale() {
  const [language] = pageLanguage.split("-");
  return navigator.languages.find((tag) => tag.split("-")[0] === language) ?? pageLanguage;
}

// What assistive technology reads out, and what is shown for a moment.
export function tell(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => { said.textContent = ""; }, 8000);
}

// A button that does something once at a time, and says why if that fails.
export function action(text, work, attributes = {}) {
  const button = make("button", { type: "button", ...attributes, onclick: async () => {
    button.disabled = true;
    try {
      await work(button);
    } catch (problem) {
      tell(problem.message);
    } finally {
      button.disabled = false;
    }
  } }, text);
  return button;
}

// A form with labelled fields. `fields` are [label, input]; `work` gets what was typed, by name.
export function form(title, fields, work) {
  const submit = make("button", { type: "submit", class: "primary" }, title);
  return make("form", { class: "fields", onsubmit: async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      await work(Object.fromEntries(new FormData(event.target)), event.target);
    } catch (problem) {
      tell(problem.message);
    } finally {
      submit.disabled = false;
    }
  } }, fields.map(([label, input]) => make("label", {}, make("span", {}, label), input)), submit);
}

// A list in pages: `page(from)` gives [elements, next].
export async function paged(page, empty) {
  const list = make("ul", { class: "rows", role: "list" });
  const more = action(say("more"), async () => load(), { class: "more" });
  let from = "";
  async function load() {
    const [items, next] = await page(from);
    const first = items[0];
    list.append(...items.map((item) => make("li", {}, item)));
    more.hidden = !next;
    if (from && first) (first.querySelector("a, button") ?? more).focus?.();
    from = next ?? "";
  }
  await load();
  return make("div", {}, list.children.length ? list : make("p", { class: "quiet" }, empty), more);
}
