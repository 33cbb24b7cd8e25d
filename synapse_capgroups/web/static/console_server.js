// The report on the whole server, for its admins: what `capgroups report` says, as pictures.

import { at, call } from "./console_api.js";
import { day, make, number, paged, plain, say } from "./console_dom.js";
import { later, section } from "./console_groups.js";
import { bars, line } from "./console_pictures.js";

const FRESH_MS = 5 * 60 * 1000;
let last = null; // It looks at each room of the server, so it is not asked for at each look.

export async function server() {
  if (last === null || Date.now() - last.at > FRESH_MS) last = await call("GET", "admin/report");
  const found = last;
  const { groups } = found;
  return [
    make("h1", {}, found.server_name),
    make("p", { class: "quiet" }, say(found.enforced ? "rules_hold" : "rules_tried", { version: found.version })),
    section(say("groups"),
      make("p", {}, say("groups_and_members", { groups: number(groups.groups), members: number(groups.members) })),
      bars(["open", "friends", "full"].map((mode) => ({
        label: say(`short_${mode}`), value: groups.by_mode[mode].groups, text: number(groups.by_mode[mode].groups),
      })))),
    section(say("by_size"), bars(groups.by_size.map((one) => ({
      label: span(one), value: one.groups, text: number(one.groups),
    })))),
    section(say("with_friends"), found.friends.length ? bars(found.friends.map((one) => ({
      label: span(one), value: one.share, most: 1, text: percent(one.share),
    }))) : make("p", { class: "quiet" }, say("no_growth"))),
    section(say("growth"), found.growth.length ? line(found.growth.map((one) => ({
      x: Date.parse(one.day), y: one.came, text: `${day(Date.parse(one.day))}: ${number(one.came)}`,
    })), say("came_in_days", { came: number(sum(found.growth.map((one) => one.came))), days: found.days }))
      : make("p", { class: "quiet" }, say("no_growth"))),
    section(say("who_brings_most"), table("who_brings_most", ["who", "brought_in", "in_groups"],
      found.vouchers.map((one) => [one.user_id, number(one.brought_in), number(one.groups)]))),
    section(say("largest_trees"), table("largest_trees", ["who", "people", "depth"],
      found.trees.largest.map((one) => [one.user_id, number(one.people), number(one.depth)]))),
    later(say("breaches"), async () => paged(async (from) => {
      const page = await call("GET", `admin/breaches${from ? `?from=${at(from)}` : ""}`);
      return [page.rooms.map((room) => make("div", { class: "row" }, make("div", {},
        make("strong", {}, make("bdi", {}, plain(room.name) || room.room_id)),
        make("p", { class: "quiet" }, room.breaches.map((each) => each.breach ?? each).join(", "))))), page.next];
    }, say("no_breaches"))),
  ];
}

function span({ smallest, largest }) {
  if (largest === null) return say("from_on", { smallest: number(smallest) });
  return smallest === largest ? number(smallest) : say("from_to", { smallest: number(smallest), largest: number(largest) });
}

function percent(share) {
  return new Intl.NumberFormat(document.documentElement.lang, { style: "percent" }).format(share);
}

function sum(values) {
  return values.reduce((whole, value) => whole + value, 0);
}

function table(title, heads, rows) {
  if (!rows.length) return make("p", { class: "quiet" }, say("nobody"));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say(title) },
    make("table", {}, make("thead", {}, make("tr", {}, heads.map((key) => make("th", { scope: "col" }, say(key))))),
      make("tbody", {}, rows.map(([first, ...others]) => make("tr", {},
        make("th", { scope: "row" }, make("bdi", {}, first)), others.map((value) => make("td", {}, value)))))));
}
