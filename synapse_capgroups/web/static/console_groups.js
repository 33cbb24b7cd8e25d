// My groups, and one of them.

import { at, call, picture } from "./console_api.js";
import { codes } from "./console_codes.js";
import { action, form, isolated, make, moment, paged, plain, say, tell } from "./console_dom.js";
import { fullness, growth, tree } from "./console_pictures.js";

const MOST_IN_TREE = 1000;

export async function groups(again) {
  return [make("h1", {}, say("my_groups")), await everywhere(again), await paged(async (from) => {
    const page = await call("GET", `groups?limit=20${from ? `&from=${at(from)}` : ""}`);
    return [page.groups.map((group) => make("a", { class: "card group", href: `#/groups/${at(group.room_id)}` },
      tile(group), make("div", {}, make("h2", {}, named(group)), fullness(group)))), page.next];
  }, say("no_groups"))];
}

// Who waits in any of them: with twenty groups, nobody looks into each.
async function everywhere(again) {
  const { requests: waiting, more } = await call("GET", "me/requests");
  if (!waiting.length) return null;
  return section(say("they_wait"), waiting.map((request) =>
    asking(request, `groups/${at(request.room_id)}`, again, plain(request.room_name) || say("unnamed"))),
  more ? make("p", { class: "quiet" }, say("others_wait")) : null);
}

function named(group) {
  return make("bdi", {}, plain(group.room_name) || say("unnamed"));
}

// The group's picture, once it is on the screen; until then, and without one, its first letter.
function tile(group) {
  const [first] = new Intl.Segmenter().segment(plain(group.room_name));
  const letter = first?.segment ?? "#";
  const shown = make("span", { class: "tile", "aria-hidden": "true" }, letter.toUpperCase());
  const watch = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    watch.disconnect();
    const image = await picture(`groups/${at(group.room_id)}/avatar`).catch(() => null);
    if (image) shown.replaceChildren(make("img", { src: image, alt: "" }));
  });
  watch.observe(shown);
  return shown;
}

// `again` shows it anew, after something has changed.
export async function group(roomId, again) {
  const below = `groups/${at(roomId)}`;
  const found = await call("GET", below);
  const title = found.room_name;
  const sharing = await shared(below, title, found, again);
  return [
    make("a", { href: "#/groups", class: "back" }, say("back_to_groups")),
    make("header", { class: "head" }, tile({ room_id: roomId, room_name: title }),
      make("h1", {}, make("bdi", {}, plain(title) || say("unnamed")))),
    fullness(found),
    make("section", { class: "card" }, make("h2", {}, say("my_name")),
      form(say("keep_name"), [[say("my_name_here"), make("input", { name: "name", value: found.name ?? "", maxlength: 256 })]],
        async ({ name }) => {
          await call("PUT", `${below}/name`, { displayname: name.trim() });
          tell(say("name_kept"));
        })),
    ...sharing,
  ];
}

// What those see who may share the group; the others have nothing more to do here.
async function shared(below, title, found, again) {
  let list;
  try {
    list = await codes(`${below}/codes`, plain(title) || say("unnamed"), { closed: found.mode !== "open", again });
  } catch (problem) {
    if (problem.status === 403) return [make("p", { class: "quiet" }, say("not_entitled"))];
    throw problem;
  }
  return [
    section(say("codes"), found.mode === "open" ? null : make("p", {}, say("no_more_codes")), list),
    section(say("requests"), await requests(below, again), approval(below, found, again)),
    later(say("members"), () => members(below)),
    later(say("who_brought_whom"), () => whole(below)),
    later(say("growth"), async () => growth((await call("GET", `${below}/growth`)).days)),
  ];
}

export function section(title, ...children) {
  return make("section", { class: "card" }, make("h2", {}, title), ...children);
}

// What is asked for only when somebody opens it.
export function later(title, load) {
  const inside = make("div", {});
  const part = make("details", { class: "card", ontoggle: async () => {
    if (!part.open || inside.hasChildNodes()) return;
    inside.append(make("p", { class: "quiet" }, say("loading")));
    try {
      inside.replaceChildren(await load());
    } catch (problem) {
      inside.replaceChildren();
      tell(problem.message);
      part.open = false;
    }
  } }, make("summary", {}, make("h2", {}, title)), inside);
  return part;
}

async function requests(below, again) {
  return paged(async (from) => {
    const page = await call("GET", `${below}/requests?limit=20${from ? `&from=${at(from)}` : ""}`);
    return [page.requests.map((request) => asking(request, below, again)), page.next];
  }, say("nobody_waits"));
}

// Somebody who waits; `group` is which group they want to come into, where that is not plain.
function asking(request, below, again, group) {
  const asked = say("asked", { date: moment(request.asked_at) });
  return make("div", { class: "row" },
    make("div", {}, make("strong", {}, make("bdi", {}, request.user_id)),
      make("p", { class: "quiet" }, group ? make("bdi", {}, group) : null, group ? " · " : "", asked)),
    make("div", { class: "deeds" },
      action(say("let_in"), () => answered(below, request, true, again), { class: "primary" }),
      action(say("turn_down"), () => answered(below, request, false, again))));
}

async function answered(below, request, approve, again) {
  await call("POST", `${below}/requests/${at(request.user_id)}`, { approve });
  tell(say(approve ? "was_let_in" : "was_turned_down", { user: isolated(request.user_id) }));
  await again();
}

function approval(below, found, again) {
  const box = make("input", { type: "checkbox", role: "switch", onchange: async () => {
    try {
      await call("PUT", `${below}/approval`, { on: box.checked });
      tell(say(box.checked ? "approval_on" : "approval_off"));
    } catch (problem) {
      box.checked = !box.checked;
      tell(problem.message);
    }
  } });
  box.checked = found.approval;
  return make("label", { class: "switch" }, box, make("span", {}, say("approval")));
}

async function members(below) {
  return paged(async (from) => {
    const page = await call("GET", `${below}/members?limit=50${from ? `&from=${at(from)}` : ""}`);
    return [page.members.map((one) => make("div", { class: "row" }, make("div", {},
      make("strong", {}, make("bdi", {}, plain(one.name) || one.user_id)),
      make("p", { class: "quiet" }, make("bdi", {}, one.user_id), ` · ${came(one.came)} · ${say("friends_inside", { friends: one.friends })}`)))),
    page.next];
  }, say("nobody"));
}

function came(entry) {
  if (!entry) return say("came_unknown");
  const by = entry.by ? isolated(entry.by) : say("somebody");
  return say(`came_${entry.how}`, { by, date: moment(entry.admitted_at) });
}

async function whole(below) {
  const people = [];
  let from = "";
  do {
    const page = await call("GET", `${below}/members?limit=100${from ? `&from=${at(from)}` : ""}`);
    people.push(...page.members);
    from = page.next;
  } while (from && people.length < MOST_IN_TREE);
  return tree(people);
}
