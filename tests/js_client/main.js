// matrix-js-sdk, started as the apps that are built on it start it. The functions are what a
// person makes such an app do, and what the app could show of it then: nothing is asked of the
// server but what the SDK asks.
import { ClientEvent, MatrixError, RoomEvent, createClient } from "matrix-js-sdk";

let client;
const changes = []; // Of the person's memberships, as the SDK hears of them: [room ID, membership].

async function logIn(baseUrl, user, password) {
  const session = await createClient({ baseUrl }).loginRequest({
    type: "m.login.password", identifier: { type: "m.id.user", user }, password,
  });
  client = createClient({
    baseUrl, userId: session.user_id, deviceId: session.device_id,
    accessToken: session.access_token,
  });
  client.on(RoomEvent.MyMembership, (room, membership) => changes.push([room.roomId, membership]));
  const ready = new Promise((resolve) => {
    client.on(ClientEvent.Sync, (state) => { if (state === "PREPARED") resolve(); });
  });
  await client.startClient({ initialSyncLimit: 20 });
  await ready;
}

// What a `matrix:` or matrix.to link names. This is the app's part: the SDK reads no links.
function read(link) {
  const url = new URL(link);
  if (url.protocol === "matrix:") {
    const [kind, name] = url.pathname.split("/");
    const sigil = { r: "#", roomid: "!" }[kind];
    return { room: sigil + decodeURIComponent(name), via: url.searchParams.getAll("via") };
  }
  const [room, query] = url.hash.slice(2).split("?");
  return { room: decodeURIComponent(room), via: new URLSearchParams(query).getAll("via") };
}

// Follows a link. Gives the joined room's ID, or what the server said, as the app has it to show.
async function follow(link) {
  const { room, via } = read(link);
  try {
    return { room: (await client.joinRoom(room, { viaServers: via })).roomId };
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error;
    return { status: error.httpStatus, ...error.data };
  }
}

function rooms() {
  return client.getRooms().map((room) => (
    { id: room.roomId, name: room.name, membership: room.getMyMembership() }
  ));
}

// The events that the room's timeline has to show, the oldest first.
function timeline(roomId) {
  return client.getRoom(roomId).getLiveTimeline().getEvents().map((event) => ({
    type: event.getType(), from: event.sender?.name, about: event.target?.userId,
    content: event.getContent(), sending: event.status !== null,
  }));
}

function rename(roomId, displayname) {
  const me = client.getUserId();
  const { reason, ...now } = client.getRoom(roomId).getMember(me).events.member.getContent();
  return client.sendStateEvent(roomId, "m.room.member", { ...now, displayname }, me);
}

function nameIn(roomId) {
  return client.getRoom(roomId).getMember(client.getUserId()).name;
}

function say(roomId, text) {
  return client.sendTextMessage(roomId, text);
}

window.app = { logIn, read, follow, rooms, changes, timeline, rename, nameIn, say };
