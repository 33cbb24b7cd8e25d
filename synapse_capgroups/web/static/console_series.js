// Several groups of one organiser: how full they are, their codes, what is announced, who is put where.

import { at, call } from "./console_api.js";
import { codes } from "./console_codes.js";
import { action, form, isolated, make, moment, number, paged, plain, say, tell } from "./console_dom.js";
import { later, section } from "./console_groups.js";
import { bar } from "./console_pictures.js";

const PROGRESS_MS = 2000;
const MOST_BYTES = 8 * 1024 * 1024;

export async function allSeries() {
  const { series } = await call("GET", "series");
  const rows = series.map((one) => make("a", { class: "card group", href: `#/series/${at(one.series_id)}` },
    make("div", {}, make("h2", {}, make("bdi", {}, one.name)),
      make("p", { class: "quiet" }, `${say("groups_of_series", { groups: one.groups })} · ${say(`series_${one.state}`)}`))));
  return [make("h1", {}, say("series")), rows.length ? make("div", {}, rows) : make("p", { class: "quiet" }, say("no_series"))];
}

export async function series(seriesId, again) {
  const below = `series/${at(seriesId)}`;
  const found = await call("GET", below);
  return [
    make("a", { href: "#/series", class: "back" }, say("back_to_series")),
    make("header", { class: "head" }, make("h1", {}, make("bdi", {}, found.name))),
    make("p", { class: "quiet" }, `${say(`series_${found.state}`)} · ${say("fills", { fill: number(found.fill) })}`),
    section(say("groups"), await groups(below, found)),
    section(say("live_codes"), await codes(`${below}/codes`, found.name, { again })),
    section(say("announcements"), await announcements(below, again)),
    later(say("assignment"), async () => assignment(below)),
    later(say("report"), async () => report(await call("GET", `${below}/report`))),
  ];
}

async function groups(below, found) {
  return paged(async (from) => {
    const page = await call("GET", `${below}/groups?limit=50${from ? `&from=${at(from)}` : ""}`);
    return [page.groups.map((one) => {
      const text = say("places", { people: number(one.people), places: number(one.people + one.places_left) });
      const name = make("bdi", {}, plain(one.name) || say("number_of_group", { number: one.number }));
      return make("div", { class: "row" }, make("div", { class: "wide" },
        one.is_member && one.room_id ? make("a", { href: `#/groups/${at(one.room_id)}` }, name) : make("strong", {}, name),
        bar(one.people / Math.max(found.fill, 1)),
        make("p", { class: "quiet" }, one.label ? `${text} · ${plain(one.label)}` : text)));
    }), page.next];
  }, say("no_groups_yet"));
}

async function announcements(below, again) {
  const list = make("div", {});
  async function draw() {
    const { announcements: made } = await call("GET", `${below}/announcements`);
    list.replaceChildren(...(made.length ? made.map(row) : [make("p", { class: "quiet" }, say("no_announcements"))]));
    // They are sent one after the other, with pauses.
    if (made.some((one) => one.state === "sending")) {
      setTimeout(() => { if (list.isConnected) draw().catch(() => {}); }, PROGRESS_MS);
    }
  }
  const row = (one) => make("div", { class: "row" },
    make("div", {}, make("strong", {}, say("announced_at", { date: moment(one.confirmed_at) })),
      make("p", { class: "quiet" }, say(one.deleted ? "deleted" : "reached", { reached: number(one.reached), groups: number(one.groups) }))),
    one.deleted ? null : make("div", { class: "deeds" },
      one.state === "done" && one.reached < one.groups
        ? action(say("retry"), async () => { await call("POST", `${below}/announcements/${one.announcement_id}/retry`); await draw(); }) : null,
      action(say("delete"), async () => {
        if (!window.confirm(say("really_delete"))) return;
        await call("DELETE", `${below}/announcements/${one.announcement_id}`);
        await draw();
      }, { class: "danger" })));
  await draw();
  return make("div", {}, list,
    make("details", { class: "card" }, make("summary", {}, say("new_announcement")),
      form(say("look_first"), [
        [say("text"), make("textarea", { name: "text", rows: 4, required: true })],
        [say("mention"), make("input", { name: "mention", type: "checkbox" })],
        [say("pin"), make("input", { name: "pin", type: "checkbox" })],
      ], async ({ text, mention, pin }) => {
        const draft = await call("POST", `${below}/announcements`, { text, mention_room: Boolean(mention), pin: Boolean(pin) });
        const counts = { groups: draft.groups, people: number(draft.people), encrypted: draft.encrypted_groups };
        const asked = say("really_announce", counts) + (draft.encrypted_groups ? `\n\n${say("some_encrypted", counts)}` : "");
        if (!window.confirm(asked)) return;
        await call("POST", `${below}/announcements/${draft.announcement_id}/confirm`);
        tell(say("announced"));
        await again();
      })));
}

// A table is uploaded, its plan is looked at, and only what was seen is done.
function assignment(below) {
  const shown = make("div", {});
  return make("div", {}, make("p", { class: "quiet" }, say("assignment_how")),
    form(say("plan"), [
      [say("table"), make("input", { name: "table", type: "file", accept: ".csv,.json,text/csv,application/json", required: true })],
      [say("by"), make("input", { name: "by", placeholder: "city, level" })],
      [say("smallest"), make("input", { name: "least", type: "number", min: 1, inputmode: "numeric" })],
      [say("largest"), make("input", { name: "most", type: "number", min: 1, inputmode: "numeric" })],
    ], async ({ table, by, least, most }) => {
      if (table.size > MOST_BYTES) throw new Error(say("table_too_large"));
      const text = await table.text();
      const columns = by.split(",").map((column) => column.trim()).filter(Boolean);
      const wish = /^\s*[[{]/.test(text) ? { people: JSON.parse(text) } : { csv: text };
      if (columns.length) wish.by = columns;
      if (least && most) wish.size = { min: Number(least), max: Number(most) };
      shown.replaceChildren(planned(below, await call("POST", `${below}/assignments`, wish)));
    }), shown);
}

function planned(below, plan) {
  const rows = plan.groups.map((one) => make("tr", {},
    make("th", { scope: "row" }, say("number_of_group", { number: one.number }), one.new ? ` (${say("new_group")})` : ""),
    make("td", {}, plain(Object.values(one.label ?? {}).join(", "))),
    make("td", {}, number(one.people.length))));
  const out = plan.left_out.map((one) => make("li", {}, make("bdi", {}, one.user), `: ${say(`left_out_${one.reason}`)}`));
  const progress = make("progress", { max: 1, value: 0, "aria-label": say("progress") });
  const state = make("p", { class: "quiet", role: "status" });
  return make("div", { class: "card" },
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("plan") },
      make("table", {}, make("thead", {}, make("tr", {}, ["group", "for_whom", "people"].map((key) => make("th", { scope: "col" }, say(key))))),
        make("tbody", {}, rows))),
    make("p", { class: "quiet" }, say("staying", { people: number(plan.staying.length) })),
    out.length ? make("details", {}, make("summary", {}, say("left_out", { people: out.length })), make("ul", {}, out)) : null,
    action(say("apply"), async (button) => {
      const path = `${below}/assignments/${plan.assignment_id}`;
      await call("POST", `${path}/apply`, { hash: plan.hash });
      button.after(progress, state);
      for (;;) {
        const now = await call("GET", path);
        progress.value = (now.done + now.failed) / Math.max(1, now.people);
        state.textContent = say("done_of", { done: number(now.done), all: number(now.people), failed: number(now.failed) });
        if (now.state !== "applying") break;
        await new Promise((resolve) => setTimeout(resolve, PROGRESS_MS));
      }
    }, { class: "primary" }));
}

function report(found) {
  const labels = new Map();
  for (const one of found.came) {
    const key = one.by_code ? plain(one.label) || say("code_without_label") : say("not_by_code");
    const sum = labels.get(key) ?? { came: 0, left: 0, in: 0 };
    labels.set(key, { came: sum.came + one.came, left: sum.left + one.left, in: sum.in + one.are_in });
  }
  const share = found.with_a_friend === null ? null
    : say("with_a_friend", { share: new Intl.NumberFormat(document.documentElement.lang, { style: "percent" }).format(found.with_a_friend) });
  return make("div", {},
    make("p", {}, say("series_sums", { members: number(found.members), groups: found.groups, places: number(found.places_left) })),
    share ? make("p", {}, share) : null,
    labels.size === 0 ? make("p", { class: "quiet" }, say("no_growth")) : make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("report") },
      make("table", {}, make("thead", {}, make("tr", {}, ["label", "came", "left_again", "are_in"].map((key) => make("th", { scope: "col" }, say(key))))),
        make("tbody", {}, [...labels].map(([name, sum]) => make("tr", {}, make("th", { scope: "row" }, isolated(name)),
          [sum.came, sum.left, sum.in].map((value) => make("td", {}, number(value)))))))));
}
