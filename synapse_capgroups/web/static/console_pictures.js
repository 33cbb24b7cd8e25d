// What numbers look like. Each picture has a sentence that says the same.

import { day, make, number, plain, say } from "./console_dom.js";

// A bar that is full to a share, from 0 to 1; with a mark at another, if there is one.
export function bar(share, mark = null) {
  const percent = (value) => `${Math.min(100, 100 * value)}%`;
  return make("svg:svg", { class: "bar", "aria-hidden": "true", width: "100%", height: "14" },
    make("svg:rect", { class: "ground", x: 0, y: 4, width: "100%", height: 6, rx: 3 }),
    make("svg:rect", { class: "full", x: 0, y: 4, width: percent(share), height: 6, rx: 3 }),
    mark === null ? null : make("svg:line", { class: "mark", x1: percent(mark), x2: percent(mark), y1: 0, y2: 14 }));
}

// How full a group is, with a mark where codes end.
export function fullness({ members, cap, code_limit, mode }) {
  const text = say(`mode_${mode}`, { members: number(members), cap: number(cap), limit: number(code_limit) });
  return make("div", { class: "fullness" }, bar(members / cap, code_limit / cap), make("p", { class: "quiet" }, text));
}

// How many members a group had, by day.
export function growth(days) {
  if (days.length === 0) return make("p", { class: "quiet" }, say("no_growth"));
  const came = days.reduce((sum, one) => sum + one.came, 0);
  return line(
    days.map((one) => ({ x: one.day, y: one.members, text: `${day(one.day)}: ${number(one.members)}` })),
    say("growth_says", { came: number(came), first: day(days[0].day), members: number(days.at(-1).members) }));
}

// Who brought whom, as lists in lists. `people` have a `user_id` and how they came.
export function tree(people) {
  const names = new Map(people.map((one) => [one.user_id, plain(one.name) || one.user_id]));
  const brought = new Map();
  const roots = [];
  for (const one of people) {
    const by = one.came?.by;
    if (by && by !== one.user_id && names.has(by)) brought.set(by, [...(brought.get(by) ?? []), one]);
    else roots.push(one);
  }
  const seen = new Set();
  function branch(list, depth) {
    return make("ul", { role: "list" }, list.filter((one) => !seen.has(one.user_id)).map((one) => {
      seen.add(one.user_id);
      const below = brought.get(one.user_id) ?? [];
      const label = make("span", {}, make("bdi", {}, names.get(one.user_id)),
        below.length ? make("span", { class: "quiet" }, ` ${say("brought", { people: below.length })}`) : null);
      if (!below.length) return make("li", {}, label);
      return make("li", {}, make("details", { open: depth < 2 }, make("summary", {}, label), branch(below, depth + 1)));
    }));
  }
  const whole = branch(roots, 0);
  // Two who came back at each other's invitation hang on nobody.
  const left = people.filter((one) => !seen.has(one.user_id));
  if (left.length) whole.append(...branch(left, 0).children);
  return make("div", { class: "tree" }, whole);
}

// One bar for each row: `{label, value, text}`, and `most`, what the whole width stands for.
export function bars(rows) {
  const most = Math.max(...rows.map((row) => row.most ?? row.value), 1e-9);
  return make("ul", { class: "bars", role: "list" }, rows.map(({ label, value, text }) => make("li", {},
    make("span", {}, label),
    bar(value / most),
    make("span", { class: "value" }, text))));
}

// A line through points `{x, y, text}` in the order of x; `says` is the same in a sentence.
export function line(points, says) {
  const most = Math.max(...points.map((one) => one.y), 1);
  const first = points[0].x;
  const span = Math.max(points.at(-1).x - first, 1);
  const x = (one) => 2 + (316 * (one.x - first)) / span;
  const y = (one) => 96 - (90 * one.y) / most;
  return make("figure", {},
    make("svg:svg", { viewBox: "0 0 320 100", class: "growth", role: "img", "aria-label": says },
      make("svg:polyline", { points: points.map((one) => `${x(one).toFixed(1)},${y(one).toFixed(1)}`).join(" "), class: "line" }),
      points.map((one) => make("svg:circle", { cx: x(one), cy: y(one), r: 2.2 }, make("svg:title", {}, one.text)))),
    make("figcaption", { class: "quiet" }, says));
}
