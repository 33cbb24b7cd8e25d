// Join codes: of a group, of a series, or of one's own. They differ only in where they are.

import { call, picture } from "./console_api.js";
import { action, form, isolated, make, moment, number, paged, plain, say, tell } from "./console_dom.js";

const DAY_MS = 24 * 60 * 60 * 1000;

// `where` is the path that the codes are below; `title` is what the code opens. `closed` is whether
// there can be no new one.
export async function codes(where, title, { closed = false, again }) {
  const list = await paged(async (from) => {
    const page = await call("GET", `${where}?limit=20${from ? `&from=${encodeURIComponent(from)}` : ""}`);
    return [page.codes.map((code) => line(where, title, code, again)), page.next];
  }, say("no_codes"));
  return make("div", {}, list, closed ? null : make("details", { class: "card" }, make("summary", {}, say("new_code")),
    form(say("make_code"), [
      [say("lives"), make("select", { name: "days" },
        [1, 2, 7, 14, 30].map((days) => make("option", { value: days, selected: days === 7 }, say("days", { days }))))],
      [say("most_uses"), make("input", { name: "uses", type: "number", min: 1, max: 100000, inputmode: "numeric" })],
      [say("label"), make("input", { name: "label", maxlength: 64 })],
    ], async ({ days, uses, label }) => {
      const made = await call("POST", where, {
        lifetime_ms: days * DAY_MS,
        ...(uses ? { max_uses: Number(uses) } : {}),
        ...(label?.trim() ? { label: label.trim() } : {}),
      });
      await again();
      await show(where, made.code_id, title, made.url);
    })));
}

function line(where, title, code, again) {
  const lives = code.state === "alive";
  const uses = code.max_uses
    ? say("uses_of", { uses: number(code.uses), most: number(code.max_uses) })
    : say("uses", { uses: code.uses });
  const state = lives ? say("until", { date: moment(code.expires_at) }) : say(code.state);
  return make("div", { class: lives ? "row" : "row dead" },
    make("div", {},
      make("strong", {}, plain(code.label) || say("code_of", { date: moment(code.created_at) })),
      make("p", { class: "quiet" }, `${uses} · ${state}`)),
    lives ? make("div", { class: "deeds" },
      action(say("show"), () => show(where, code.code_id, title)),
      action(say("revoke"), async () => {
        if (!window.confirm(say("really_revoke"))) return;
        await call("DELETE", `${where}/${code.code_id}`);
        tell(say("revoked"));
        await again();
      }, { class: "danger" })) : null);
}

// The code alone on the screen, for a phone that is held out, a projector or a printer.
async function show(where, codeId, title, url) {
  const image = await picture(`${where}/${codeId}/qr.svg`);
  if (!image) {
    tell(say("code_gone"));
    return;
  }
  const sheet = make("dialog", { class: "poster", "aria-label": say("code_for", { group: isolated(title) }) },
    make("h2", {}, make("bdi", {}, plain(title))),
    make("img", { src: image, alt: say("qr"), width: 320, height: 320 }),
    make("p", { class: "quiet" }, say("scan_me")),
    make("div", { class: "deeds" },
      url ? action(say("copy_link"), async () => {
        await navigator.clipboard.writeText(url).then(() => tell(say("copied")), () => tell(say("copy_failed")));
      }) : null,
      action(say("print"), () => print(sheet, 1)),
      action(say("print_page"), () => print(sheet, 8)),
      action(say("close"), () => sheet.close(), { class: "primary" })));
  sheet.addEventListener("close", () => sheet.remove());
  document.body.append(sheet);
  sheet.showModal();
}

// One card on a page, or a page of cards to cut out.
function print(sheet, copies) {
  const card = () => make("div", { class: "print-card" },
    make("h2", {}, sheet.querySelector("h2").textContent),
    make("img", { src: sheet.querySelector("img").src, alt: say("qr") }),
    make("p", {}, say("scan_me")));
  const page = make("div", { id: "print", class: copies > 1 ? "many" : "one" }, Array.from({ length: copies }, card));
  document.body.append(page);
  window.print();
  page.remove();
}
