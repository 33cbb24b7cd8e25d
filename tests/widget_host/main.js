// The part of Element on the web that shows a widget of a room: matrix-widget-api, which Element and
// others are built with, around a frame with the same rights. `show` opens it, `decide` is what the
// person answers to "may this widget know who you are?".
import { ClientWidgetApi, OpenIDRequestState, Widget, WidgetDriver } from "matrix-widget-api";

const SANDBOX = "allow-forms allow-popups allow-popups-to-escape-sandbox allow-same-origin "
  + "allow-scripts allow-presentation allow-downloads";

let decided;
const asked = []; // What the widget wanted to be allowed, besides.

class Driver extends WidgetDriver {
  constructor(token) {
    super();
    this.token = token;
  }

  async validateCapabilities(requested) {
    asked.push(...requested);
    return new Set();
  }

  askOpenID(observer) {
    observer.update({ state: OpenIDRequestState.PendingUserConfirmation });
    decided = async (allowed) => {
      if (allowed) observer.update({ state: OpenIDRequestState.Allowed, token: await this.token() });
      else observer.update({ state: OpenIDRequestState.Blocked });
      observer.close();
    };
  }
}

function show(content, roomId, homeserver, user, accessToken) {
  const widget = new Widget({ ...content, roomId });
  const url = new URL(widget.getCompleteUrl({ widgetRoomId: roomId, currentUserId: user }));
  url.searchParams.set("widgetId", widget.id);
  url.searchParams.set("parentUrl", window.location.href.split("#", 2)[0]);
  const frame = document.createElement("iframe");
  frame.sandbox = SANDBOX;
  frame.style = "width: 400px; height: 800px; border: 0";
  const token = async () => (await fetch(`${homeserver}/_matrix/client/v3/user/${encodeURIComponent(user)}/openid/request_token`, {
    method: "POST", headers: { Authorization: `Bearer ${accessToken}` }, body: "{}",
  })).json();
  document.body.replaceChildren(frame);
  new ClientWidgetApi(widget, frame, new Driver(token));
  frame.src = url.toString();
}

window.host = { show, asked, decide: (allowed) => decided?.(allowed), isAsking: () => Boolean(decided) };
