"""The rooms that are doors: what they look like, and how they are made.

A client that knows nothing of doors still shows what this room is: its name says what it leads to,
its topic says what happens, and one notice is there at first sight. It names no room that replaces
it (`m.room.tombstone`), although clients have a button for one: Cinny, which opens the door by its
address, would not find it after the join and wait for ever.
"""

import html

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.groups.names import group_name, person_name
from synapse_capgroups.inside.creations import create_plain_room
from synapse_capgroups.inside.membership_changes import forget, set_membership
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import Refusal
from synapse_capgroups.storage.series import Series
from synapse_capgroups.words.lookup import Audience, Words


@attrs.frozen
class Doorplate:
    """What a door looks like.

    Attributes:
        notice: plain text.
        notice_html: the same with a link; empty if there is none.
        federates: whether people of other servers can join it.
    """

    name: str
    topic: str
    notice: str
    notice_html: str
    avatar_url: str | None = None
    federates: bool = True


class DoorRooms:
    """Makes doors and takes people out of them, with texts in the server's language."""

    def __init__(self, api: ModuleApi, concierge: str, words: Words) -> None:
        self._api = api
        self._concierge = concierge
        self._words = words

    async def of_group(self, group: Group) -> Doorplate:
        """The plate of a door to a group."""
        words = self._words
        name = await group_name(self._api, group.room_id)
        text = name or words.say("door_link")
        # All clients make a link of it, unlike of `matrix:`; most open it in themselves.
        url = f"https://matrix.to/#/{group.room_id}?via={self._api.server_name}"
        link = f'<a href="{url}">{html.escape(text)}</a>'
        return Doorplate(
            name=words.say("door_name", group=name) if name else words.say("door_nameless"),
            topic=words.say("door_topic"),
            notice=f"{words.say('door_notice', group=text)}\n{url}",
            notice_html=words.say("door_notice", group=link),
            avatar_url=await self._avatar(group.room_id),
        )

    async def of_series(self, series: Series) -> Doorplate:
        """The plate of a door to a series. To which group it leads, nobody knows beforehand."""
        words = self._words
        return Doorplate(
            name=words.say("door_name", group=series.title),
            topic=words.say("door_topic"),
            notice=words.say("live_door_notice"),
            notice_html="",
            avatar_url=await self._avatar(series.model),
        )

    async def _avatar(self, room_id: str) -> str | None:
        key = ("m.room.avatar", "")
        event = (await self._api.get_room_state(room_id, [key])).get(key)
        avatar = event.content.get("url") if event else None
        return avatar if isinstance(avatar, str) else None

    async def of_person(self, user_id: str) -> Doorplate:
        """The plate of a door to a direct chat with a local person.

        Only this server can open a chat for somebody, so the door is for its own people.
        """
        words = self._words
        name = await person_name(self._api, user_id)
        notice = words.say("personal_door_notice", name=name)
        return Doorplate(
            name=words.say("personal_door_name", name=name),
            topic=words.say("personal_door_topic", name=name),
            notice=notice,
            notice_html="",
            federates=False,
        )

    async def make(self, plate: Doorplate, secret: str) -> str:
        """Make a door.

        Nothing is written into it later: if another server misses a message while it joins, it
        never learns that its user was taken out of the door.

        Returns:
            The room ID.
        """
        initial_state: list[dict[str, object]] = [
            {"type": "m.room.guest_access", "content": {"guest_access": "forbidden"}},
            {"type": "m.room.history_visibility", "content": {"history_visibility": "shared"}},
        ]
        if plate.avatar_url:
            initial_state.append({"type": "m.room.avatar", "content": {"url": plate.avatar_url}})
        door = await create_plain_room(
            self._api,
            self._concierge,
            {
                "preset": "public_chat",
                "visibility": "private",
                "room_alias_name": f"j-{secret}",
                "name": plate.name,
                "topic": plate.topic,
                "initial_state": initial_state,
                "creation_content": {} if plate.federates else {"m.federate": False},
                # Nobody but the concierge writes, invites or changes anything here.
                "power_level_content_override": {
                    "events_default": 100, "state_default": 100, "invite": 100, "kick": 100,
                    "ban": 100, "redact": 100,
                },
            },
        )  # fmt: skip
        html = {"format": "org.matrix.custom.html", "formatted_body": plate.notice_html}
        await self._api.create_and_send_event_into_room(
            {
                "type": "m.room.message",
                "room_id": door,
                "sender": self._concierge,
                "content": {
                    "msgtype": "m.notice",
                    "body": plate.notice,
                    **(html if plate.notice_html else {}),
                },
            }
        )
        return door

    async def see_off(self, door: str, user_id: str) -> None:
        """Take somebody out of a door whose time there is over.

        Local people leave it themselves, and their clients forget it.
        """
        local = self._api.is_mine(user_id)
        leaver = user_id if local else self._concierge
        # Clients that stay at the door show this, and offer to join it again.
        reason = {"reason": self._words.say("door_left")}
        await set_membership(self._api, leaver, user_id, door, "leave", reason)
        if local:
            await forget(self._api, user_id, door)

    async def turn_away(self, door: str, user_id: str, why: Refusal | str) -> None:
        """Take somebody out of a door.

        Args:
            why: what they read: a refusal, or a sentence of Synapse's or of another module's.
        """
        reason = why if isinstance(why, str) else self._words.refusal(why, Audience.JOINING)
        await set_membership(self._api, self._concierge, user_id, door, "leave", {"reason": reason})
