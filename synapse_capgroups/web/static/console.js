// The console: from which somebody runs their groups. A link of the concierge's opens a session; its
// secret is in the address's fragment, which no server sees, and is taken out of it at once.

import { call, keep, session, whenEnded } from "./console_api.js";
import { concierge, make, say, server } from "./console_dom.js";
import { group, groups } from "./console_groups.js";
import { me } from "./console_me.js";
import { allSeries, series } from "./console_series.js";
import { isWidget, open } from "./console_widget.js";
import { server as wholeServer } from "./console_server.js";

const main = document.getElementById("main");
const tabs = document.getElementById("tabs");
const SECRET = /^#([a-z2-7]{28})$/;

let opened = false; // Whether this widget has opened a session since it was loaded.
let latest = 0; // Counts what was asked for; only the latest is shown.

whenEnded(() => outside("session_over"));
window.addEventListener("hashchange", () => begin());
begin();

async function begin() {
  const secret = SECRET.exec(window.location.hash);
  if (secret) {
    window.history.replaceState(null, "", `${window.location.pathname}#/groups`);
    show([make("p", { class: "quiet" }, say("opening"))]);
    try {
      keep(await call("POST", "session", { link: secret[1] }));
    } catch (problem) {
      // Who opens an old link in a browser that is signed in stays so.
      if (!session()) return outside(null, problem.message);
    }
  }
  if (isWidget() && !(opened && session()) && !(await openWidget())) return;
  if (!session()) return outside("how_to_open");
  return go();
}

// A widget opens a session by itself, whoever looked at it before.
async function openWidget() {
  show([make("p", { class: "quiet" }, say("opening"))]);
  keep(null);
  try {
    keep(await open());
    opened = true;
    return true;
  } catch (problem) {
    outside(null, problem.message);
    return false;
  }
}

async function go() {
  const asked = ++latest;
  const [, where = "groups", id = ""] = window.location.hash.split("/");
  tabs.hidden = false;
  tabs.lastElementChild.hidden = !session().server_admin;
  for (const tab of tabs.children) {
    const here = tab.getAttribute("href") === `#/${where}`;
    if (here) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  const timer = setTimeout(() => show([make("p", { class: "quiet" }, say("loading"))]), 400);
  let shown;
  try {
    shown = await view(where, id);
  } catch (problem) {
    if (!session()) return;
    shown = [make("h1", {}, say("did_not_work")), make("p", { role: "alert" }, problem.message),
      make("button", { type: "button", onclick: go }, say("try_again"))];
  } finally {
    clearTimeout(timer);
  }
  if (asked === latest) show(shown);
}

function view(where, id) {
  let known = "";
  try {
    known = decodeURIComponent(id);
  } catch {
    // Not ours; the list is shown.
  }
  if (where === "series") return known ? series(known, go) : allSeries();
  if (where === "server") return wholeServer();
  if (where === "me") return me(go, () => outside("left"));
  return known ? group(known, go) : groups(go);
}

function show(children) {
  const focused = main.contains(document.activeElement) || document.activeElement === document.body;
  main.replaceChildren(...children.filter((child) => child !== null)); // The browser would write "null".
  const title = main.querySelector("h1");
  document.title = title ? `${title.textContent} – ${say("title")}` : say("title");
  if (focused) main.focus({ preventScroll: true });
}

// What somebody sees who is not signed in.
function outside(key, text) {
  latest++;
  tabs.hidden = true;
  show([make("h1", {}, say("title")), text ? make("p", { role: "alert" }, text) : make("p", {}, say(key)),
    make("p", {}, say("write_console", { concierge, server }))]);
}
