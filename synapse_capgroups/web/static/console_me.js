// What is about oneself: the code that opens a chat with one, and where one is signed in.

import { at, call, keep, session } from "./console_api.js";
import { codes } from "./console_codes.js";
import { action, form, isolated, make, moment, paged, plain, say, tell } from "./console_dom.js";
import { section } from "./console_groups.js";

export async function me(again, leave) {
  const { sessions } = await call("GET", "me/sessions");
  const own = session();
  const end = async (one) => {
    await call("DELETE", `me/sessions/${one.session_id}`);
    if (one.this) {
      keep(null);
      leave();
    } else {
      tell(say("session_ended"));
      await again();
    }
  };
  return [
    make("h1", {}, say("me")),
    make("p", {}, make("bdi", {}, plain(own?.user_id))),
    section(say("my_code"), make("p", { class: "quiet" }, say("my_code_how")), await codes("me/codes", own?.user_id ?? "", { again })),
    section(say("remarks"), make("p", { class: "quiet" }, say("remarks_how")), await remarks(again),
      form(say("keep_remark"), [
        [say("remark_person"), make("input", { name: "person", required: true, maxlength: 255, placeholder: "@" })],
        [say("remark_name"), make("input", { name: "name", required: true, maxlength: 256 })],
      ], async ({ person, name }) => {
        await call("PUT", `me/remarks/${at(person.trim())}`, { name });
        tell(say("remark_kept"));
        await again();
      })),
    section(say("sessions"), make("p", { class: "quiet" }, say("sessions_how")),
      sessions.map((one) => make("div", { class: "row" },
        make("div", {}, make("strong", {}, one.this ? say("this_browser") : say("another_browser")),
          make("p", { class: "quiet" }, say("session_times", { opened: moment(one.opened_at), ends: moment(one.expires_at) }))),
        make("div", { class: "deeds" }, action(say(one.this ? "leave" : "end_session"), () => end(one), { class: one.this ? "" : "danger" }))))),
  ];
}

// What one calls others, a page at a time.
function remarks(again) {
  return paged(async (from) => {
    const page = await call("GET", `me/remarks${from ? `?from=${encodeURIComponent(from)}` : ""}`);
    return [page.remarks.map(({ user_id, name }) => make("div", { class: "row" },
      make("div", {}, make("strong", {}, make("bdi", {}, plain(name))), make("p", { class: "quiet" }, make("bdi", {}, plain(user_id)))),
      make("div", { class: "deeds" }, action(say("forget_remark"), async () => {
        await call("PUT", `me/remarks/${at(user_id)}`, { name: "" });
        tell(say("remark_gone"));
        await again();
      }, { class: "danger", "aria-label": say("forget_remark_of", { name: isolated(name) }) })))), page.next];
  }, say("no_remarks"));
}
