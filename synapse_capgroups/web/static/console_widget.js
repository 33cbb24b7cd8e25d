// The console as a widget: the client that shows it says who looks at it (Matrix Widget API 2).

import { call, Problem } from "./console_api.js";
import { client, say } from "./console_dom.js";

const KEY = /^#widget=([a-z2-7]{28})$/;
const PATIENCE_MS = 120000; // The client may have to ask first.
const VERSIONS = ["0.0.1", "0.0.2"];

let key = null;

// Whether this page is a widget. Its key is taken out of the address.
export function isWidget() {
  const found = KEY.exec(window.location.hash);
  if (found) {
    key = found[1];
    window.history.replaceState(null, "", `${window.location.pathname}${window.location.search}#/groups`);
  }
  return Boolean(key && client && window.parent !== window);
}

// A session of whoever looks at it.
export async function open() {
  return call("POST", "session", { widget: key, openid_token: await openIdToken() });
}

function openIdToken() {
  const requestId = crypto.randomUUID();
  const widgetId = new URLSearchParams(window.location.search).get("widgetId") ?? "capgroups_console";
  return new Promise((resolve, reject) => {
    const end = (token) => {
      clearTimeout(timer);
      window.removeEventListener("message", hear);
      if (token) resolve(token);
      else reject(new Problem(0, say("widget_refused")));
    };
    const timer = setTimeout(end, PATIENCE_MS);
    const settle = ({ state, access_token }) => {
      if (state === "allowed") end(access_token);
      else if (state === "blocked") end();
      // Else it asks; the answer comes as a request of its own.
    };
    function hear({ source, origin, data }) {
      // Of this client's page alone: whoever else can write to this window is nobody.
      if (source !== window.parent || origin !== client || !data) return;
      if (data.api === "fromWidget" && data.requestId === requestId && data.response) settle(data.response);
      if (data.api !== "toWidget" || data.response) return;
      window.parent.postMessage({ ...data, response: answer(data.action) }, client);
      if (data.action === "openid_credentials" && data.data?.original_request_id === requestId) settle(data.data);
    }
    window.addEventListener("message", hear);
    window.parent.postMessage({ api: "fromWidget", action: "get_openid", requestId, widgetId, data: {} }, client);
  });
}

function answer(action) {
  if (action === "capabilities") return { capabilities: [] }; // It wants to do nothing in the room.
  if (action === "supported_api_versions") return { supported_versions: VERSIONS };
  return {};
}
