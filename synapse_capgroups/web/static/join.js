// The join page: reads the code from the link's fragment, asks the server what it opens, and shows
// the answer. The code goes nowhere else: not into a request's URL, a log or any storage. It stays
// in the address bar, since "open in browser" and reloading would lose it otherwise.

const facts = JSON.parse(at("data").textContent);
const { words, element_url } = facts;
const server = isolated(facts.server);
const pageLanguage = document.documentElement.lang;
const PATIENCE_MS = 20000;
const DEAD = [
  "code_expired", "code_used_up", "code_revoked", "code_closed", "suspended",
  "series_full", "series_paused",
];
const WORTH_ANOTHER_TRY = ["too_many", "unreachable", "broken"];

let latest = 0; // Counts the questions asked; only the latest one's answer is shown.

arrange();
at("retry").addEventListener("click", async () => {
  at("title").focus(); // The button is about to go; the focus must not go with it.
  await check();
});
for (const [button, field, status, said, failed] of [
  ["copy", "address", "copied", words.copied, words.copy_failed],
  ["copy-token", "carried-token", "token-copied", words.token_copied, words.token_copy_failed],
]) {
  at(button).addEventListener("click", () => copy(at(field), at(status), said, failed));
  at(field).addEventListener("focus", () => at(field).select());
}
window.addEventListener("hashchange", check); // Another code, opened in the same tab.
check();

async function check() {
  const asked = ++latest;
  const secret = codeInLink();
  if (secret === "") {
    showTrouble("no_code");
    return;
  }
  show({ state: "checking", title: words.title, message: words.checking });
  const answer = await preview(secret);
  if (asked !== latest) return;
  if (answer.state === "alive") showGroup(answer);
  else if (DEAD.includes(answer.state)) showDead(answer);
  else showTrouble(answer.state);
}

// What is the same for every code of this server: which way comes first on this device, and how to
// get an account.
function arrange() {
  const device = platform();
  const first = device === "desktop" ? "element" : "app";
  at("app-hint").hidden = first !== "app";
  at("element-hint").hidden = first !== "element";
  at("element-hint").textContent = fill(
    facts.element_is_own ? words.element_hint : words.element_elsewhere_hint, { server },
  );
  if (first === "element") at("rest").prepend(at("app"));
  at("first").append(at(first));
  at(first).classList.add("primary");

  const { way, url } = facts.accounts;
  const account = { page: words.account_page, app: words.account_app, ask: words.account_ask };
  at("account").textContent = fill(account[way], { server });
  at("register").hidden = way !== "page";
  if (way === "page") at("register").href = url;
  at("register").textContent = fill(words.get_account, { server });
  for (const app of facts.apps.filter((each) => each.platform === device)) {
    const link = document.createElement("a");
    link.className = "way";
    link.rel = "noreferrer";
    link.href = app.url;
    link.textContent = fill(words.get_app, { app: isolated(app.name) });
    at("apps").append(link);
  }
}

// A guess, and only about which way is shown first: the others stay within reach.
function platform() {
  const { userAgent, maxTouchPoints } = navigator;
  if (/Android/i.test(userAgent)) return "android";
  // An iPad says that it is a Mac. No Mac has a touch screen.
  const isPad = /Macintosh/.test(userAgent) && maxTouchPoints > 1;
  return isPad || /iPhone|iPad|iPod/.test(userAgent) ? "ios" : "desktop";
}

function codeInLink() {
  const fragment = window.location.hash.slice(1);
  try {
    return decodeURIComponent(fragment).trim();
  } catch {
    return fragment; // Not ours; the server will say so.
  }
}

// What the server says about a code, or {state: one of unknown, too_many, unreachable, broken}.
async function preview(secret) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  let response;
  let body;
  try {
    response = await fetch("v1/codes/preview", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ secret }),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: stop.signal,
    });
    body = await response.text();
  } catch {
    return { state: "unreachable" };
  } finally {
    clearTimeout(timer);
  }
  if (response.status === 429) return { state: "too_many" };
  if (response.status === 404 || response.status === 400) return { state: "unknown" };
  try {
    const answer = JSON.parse(body);
    if (response.ok && (isAlive(answer) || DEAD.includes(answer.state))) return answer;
  } catch {
    // A proxy's error page, most likely.
  }
  return { state: "broken" };
}

// Alive, with all that it takes to show it.
function isAlive({ state, door, expires_at }) {
  return state === "alive" && /^#[^:]+:./.test(door) && Number.isFinite(expires_at);
}

function showGroup(code) {
  if (code.group === null) showPerson(code);
  else showRoom(code);
  const sharer = isolated(code.sharer);
  const isPerson = code.group === null;
  const names = facts.made_up_names ? words.names_made_up : words.names_profile;
  at("how").textContent = isPerson ? fill(words.how_person, { sharer }) : words.how;
  at("names").textContent = isPerson ? fill(words.names_person, { sharer }) : names;
  // A personal code is for people of this server.
  at("elsewhere").hidden = !facts.accounts.elsewhere || isPerson;
  showToken(code.registration_token);
  const alias = encodeURIComponent(code.door.slice(1)).replace(/%3A/g, ":");
  at("app").href = `matrix:r/${alias}?action=join`;
  at("element").href = `${element_url}/#/room/#${alias}`;
  at("matrix-to").href = `https://matrix.to/#/${encodeURIComponent(code.door)}`;
  at("address").value = code.door;
  at("copied").textContent = "";
  at("ways").hidden = false;
}

// How somebody without an account is let into the server: by a token that the code brings, if it does.
function showToken(carried) {
  const { way, token } = facts.accounts;
  const shown = typeof carried === "string" && way !== "ask";
  at("token").hidden = !token || shown;
  at("carried").hidden = !shown;
  at("carried-token").value = shown ? carried : "";
  at("token-copied").textContent = "";
}

function showRoom(code) {
  const { name, topic, avatar } = code.group ?? {};
  show({
    state: "alive",
    title: plain(name) || words.unnamed,
    topic: plain(topic),
    facts: {
      members: fullness(code),
      approval: code.approval && words.approval,
      sharer: plain(code.sharer) && fill(words.shared_by, { sharer: isolated(code.sharer) }),
      expiry: fill(code.series ? words.valid_until_date : words.valid_until, {
        date: date(code.expires_at),
        code_limit: number(code.code_limit),
      }),
    },
    name,
    avatar,
  });
}

// How full the group is that the code opens now; a live code opens one of several.
function fullness({ series, members, cap }) {
  if (!series) return fill(words.members, { members: number(members), cap: number(cap) });
  return fill(words.series_places, {
    number: number(series.number),
    groups: number(series.groups),
    people: number(series.people),
    places: number(series.places),
  });
}

// A personal code opens a direct chat.
function showPerson(code) {
  show({
    state: "alive",
    title: fill(words.chat_with, { sharer: isolated(code.sharer) }),
    facts: { expiry: fill(words.valid_until_date, { date: date(code.expires_at) }) },
    name: code.sharer,
  });
}

function showDead(code) {
  const name = plain(code.group?.name);
  const ask = plain(code.sharer)
    ? fill(words.ask_sharer, { sharer: isolated(code.sharer) })
    : words.ask_giver;
  show({
    state: "dead",
    title: words[code.state],
    group: name && fill(words.to_group, { group: isolated(name) }),
    message: [words[`${code.state}_why`], words[`${code.state}_do`] ?? ask].filter(Boolean).join(" "),
    name,
    avatar: code.group?.avatar,
  });
}

function showTrouble(state) {
  show({ state: "trouble", title: words[state], message: words[`${state}_do`] });
  at("retry").hidden = !WORTH_ANOTHER_TRY.includes(state);
}

function show({
  state, title, group = "", topic = "", facts = null, message = "", name = "", avatar = null,
}) {
  at("sheet").dataset.state = state;
  at("title").textContent = title;
  at("facts").hidden = facts === null;
  showText("server", state === "alive" && fill(words.on_server, { server }));
  showText("group", group);
  showText("topic", topic);
  showText("message", message);
  for (const id of ["members", "sharer", "expiry", "approval"]) showText(id, facts?.[id]);
  showTile(initial(plain(name)), avatar);
  at("retry").hidden = true;
  at("ways").hidden = true;
}

function showText(id, text) {
  at(id).textContent = text ?? "";
  at(id).hidden = !text;
}

// The picture if there is one that can be shown, else the letter, else two people.
function showTile(letter, avatar) {
  document.querySelector("#tile img")?.remove();
  const picture = typeof avatar === "string" && avatar.startsWith("data:image/");
  if (picture) {
    const image = new Image();
    image.alt = "";
    image.addEventListener("error", () => showTile(letter, null), { once: true });
    image.src = avatar;
    at("tile").append(image);
  }
  at("letter").textContent = letter;
  at("letter").hidden = picture || letter === "";
  at("people").toggleAttribute("hidden", picture || letter !== "");
}

function initial(name) {
  return (name.match(/[\p{L}\p{N}]\p{M}*|\p{Extended_Pictographic}/u)?.[0] ?? "").toUpperCase();
}

async function copy(field, status, said, failed) {
  try {
    await navigator.clipboard.writeText(field.value);
    status.textContent = said;
  } catch {
    // No permission, or the page came over plain HTTP.
    field.focus();
    status.textContent = failed;
  }
}

// A name that someone chose, without what would turn the text around it or break its line.
function plain(text) {
  return (text ?? "").replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]+/gu, " ").trim();
}

// The same inside a sentence: a name written from right to left leaves the sentence in its order.
function isolated(text) {
  return `\u2068${plain(text)}\u2069`;
}

function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

function number(value) {
  return new Intl.NumberFormat(pageLanguage).format(value);
}

// In the page's language, as it is written where the reader lives (en-GB rather than en).
function date(ms) {
  const [language] = pageLanguage.split("-");
  const own = navigator.languages.find((tag) => tag.split("-")[0] === language);
  const style = { dateStyle: "long", timeStyle: "short" };
  return new Intl.DateTimeFormat(own ?? pageLanguage, style).format(ms);
}

function at(id) {
  return document.getElementById(id);
}
