// What is about oneself: the code that opens a chat with one, and where one is signed in.

import { call, keep, session } from "./console_api.js";
import { codes } from "./console_codes.js";
import { action, make, moment, plain, say, tell } from "./console_dom.js";
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
    section(say("sessions"), make("p", { class: "quiet" }, say("sessions_how")),
      sessions.map((one) => make("div", { class: "row" },
        make("div", {}, make("strong", {}, one.this ? say("this_browser") : say("another_browser")),
          make("p", { class: "quiet" }, say("session_times", { opened: moment(one.opened_at), ends: moment(one.expires_at) }))),
        make("div", { class: "deeds" }, action(say(one.this ? "leave" : "end_session"), () => end(one), { class: one.this ? "" : "danger" }))))),
  ];
}
