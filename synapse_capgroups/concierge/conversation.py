"""The concierge: the module's account, which talks to people in an unencrypted room, one for each.

It hears of messages by `check_event_for_spam`, which is given the event alone. What is not written
by the person of one of its rooms is passed after one look into memory (rule 9, `ConciergeChats`).
"""

import logging
from collections.abc import Callable
from http import HTTPStatus

import attrs
from synapse.module_api import EventBase, LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.admission.presence import Presence
from synapse_capgroups.codes.cards import Cards, date
from synapse_capgroups.codes.doors import CodeRequestError, Doors
from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.concierge.parsing import (
    MOST_LINES,
    Command,
    code_wish,
    commands,
    dropped,
    group_and_page,
    group_and_rest,
    matching,
)
from synapse_capgroups.concierge.voice import parts, shortened
from synapse_capgroups.config import Config
from synapse_capgroups.groups.aliases import choose_name
from synapse_capgroups.groups.names import group_name
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.media import upload
from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import COMMANDS
from synapse_capgroups.people.remarks import Remarks
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.storage.admissions import Admission, Admissions
from synapse_capgroups.storage.codes import Code, Codes, Page
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.forgetting import ERASED
from synapse_capgroups.words.spoken import LANGUAGES

logger = logging.getLogger(__name__)

_MOST_ADMISSIONS = 50
_CODES_A_PAGE = 20
_MOST_TOLD_OFF = 1000
_LONGEST_NAME = 256  # Synapse's own limit.
_DAY_MS = 24 * 60 * 60 * 1000


@attrs.frozen
class NamedGroup:
    """A group as somebody sees it in `groups`."""

    group: Group
    name: str

    @property
    def called(self) -> str:
        """Its name, as an answer has place for it."""
        return shortened(self.name)


class Misunderstanding(Exception):
    """A command cannot be carried out; the text is the answer."""


class Concierge:
    """Answers what people write in their chats with it."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        presence: Presence,
        doors: Doors,
        cards: Cards,
        limits: RateLimits,
        config: Config,
        chats: ConciergeChats,
    ) -> None:
        self._api = api
        self._database = database
        self._scope = scope
        self._presence = presence
        self._doors = doors
        self._config = config
        self._words = LANGUAGES[config.language]
        self._cards = cards
        self._limits = limits
        self._told_off: set[str] = set()
        self.chats = chats
        self._remarks = Remarks(api)
        self._answers = {
            "help": self._help,
            "groups": self._groups,
            "code": self._code,
            "codes": self._codes,
            "me": self._me,
            "revoke": self._revoke,
            "name": self._name,
            "who": self._who,
            "remark": self._remark,
        }

    def hears(self, event: EventBase) -> bool:
        """Whether a message is for the concierge. In memory, for each event of every room."""
        return (
            self.chats.person_of(event.room_id) == event.sender
            and event.type in ("m.room.message", "m.room.encrypted")
            and event.content.get("msgtype") != "m.notice"  # A bot's; two would talk for ever.
        )

    def answer_soon(self, event: EventBase) -> None:
        """Answer after the message has its place: Synapse does one event of a room at a time."""
        self._api.run_as_background_process("capgroups_concierge", self._answer, event)

    async def _answer(self, event: EventBase) -> None:
        try:
            await self._answer_all(event.room_id, event.sender, event)
        except SynapseError as e:
            # They have left, or something else forbids the concierge to speak.
            logger.info("The concierge cannot answer in %s: %s", event.room_id, e)

    async def _answer_all(self, room_id: str, user_id: str, event: EventBase) -> None:
        body = event.content.get("body")
        if not self._config.enforce:
            await self._say_if_allowed(room_id, user_id, self._words["trial"])
        elif event.type == "m.room.encrypted":
            await self._say_if_allowed(room_id, user_id, self._words["encrypted"])
        elif event.content.get("msgtype") != "m.text" or not isinstance(body, str):
            await self._say_if_allowed(room_id, user_id, self._words["text_only"])
        else:
            for command in commands(body) or [Command("", "")]:
                if not await self._allows(room_id, user_id):
                    return
                await self._say(room_id, await self._carried_out(room_id, user_id, command))
            if left_out := dropped(body):
                text = self._words["dropped"].format(most=MOST_LINES, dropped=left_out)
                await self._say(room_id, text)

    async def _say_if_allowed(self, room_id: str, user_id: str, text: str) -> None:
        if await self._allows(room_id, user_id):
            await self._say(room_id, text)

    async def _allows(self, room_id: str, user_id: str) -> bool:
        """Whether somebody may ask for one thing more. Who may not is told so once."""
        try:
            await self._limits.spend(COMMANDS, user_id)
        except SynapseError:
            if user_id not in self._told_off:
                if len(self._told_off) >= _MOST_TOLD_OFF:
                    self._told_off.clear()
                self._told_off.add(user_id)
                await self._say(room_id, self._words["too_often"])
            return False
        self._told_off.discard(user_id)
        return True

    async def _carried_out(self, room_id: str, user_id: str, command: Command) -> str:
        """What there is to say after a command; whatever happens, it is not nothing."""
        answer = self._answers.get(command.word)
        try:
            if answer is None:
                said = f"{command.word} {command.rest}".strip()
                raise self._no("hint", said=said if len(said) < 60 else f"{said[:57]}…")
            return await answer(room_id, user_id, command.rest)
        except Misunderstanding as e:
            return str(e)
        except SynapseError as e:
            # What the module asked of Synapse for this person was refused, or came too often.
            if e.code == HTTPStatus.TOO_MANY_REQUESTS:
                return self._words["too_often"]
            return self._words["refused"].format(error=shortened(e.msg, 300))
        except Exception:
            # Not `command.rest`: people may have pasted a code there.
            logger.exception("The concierge could not carry out %r", command.word[:20])
            return self._words["broken"]

    def _no(self, key: str, **values: object) -> Misunderstanding:
        return Misunderstanding(self._words[key].format(**values))

    async def _say(self, room_id: str, text: str) -> None:
        for part in parts(text, self._words["and_more"]):
            await self.chats.say(room_id, part)

    async def _help(self, room_id: str, user_id: str, rest: str) -> str:
        return self._words["help"]

    async def _groups(self, room_id: str, user_id: str, rest: str) -> str:
        lines = []
        for number, named in enumerate(await self._groups_of(user_id), 1):
            lines.append(
                self._words["group_line"].format(
                    number=number,
                    name=named.called,
                    members=await self._presence.seats_taken(named.group),
                    cap=self._config.cap,
                )
            )
        return "\n".join(lines) or self._words["no_groups"]

    async def _code(self, room_id: str, user_id: str, rest: str) -> str:
        wish = code_wish(rest)
        named = await self._group_meant(user_id, wish.group)
        try:
            code = await self._doors.make(named.group, user_id, wish.lifetime, wish.max_uses)
        except CodeRequestError as e:
            raise self._no(
                e.problem.value,
                days=self._config.codes.max_lifetime // _DAY_MS,
                limit=self._config.code_limit,
            ) from e
        await self._send_picture(room_id, code)
        uses = self._words["for_uses"].format(uses=code.max_uses) if code.max_uses else ""
        return self._words["code"].format(
            group=named.called,
            until=date(code.expires_at),
            uses=uses,
            url=self._doors.url(code.secret),
            code_id=code.code_id,
        )

    async def _me(self, room_id: str, user_id: str, rest: str) -> str:
        # Read like what follows `code`, without a group.
        wish = code_wish(f"me {rest}")
        if wish.group != "me":
            raise self._no("which_me")
        try:
            code = await self._doors.make_personal(user_id, wish.lifetime, wish.max_uses)
        except CodeRequestError as e:
            days = self._config.codes.max_lifetime // _DAY_MS
            raise self._no(e.problem.value, days=days) from e
        await self._send_picture(room_id, code)
        return self._words["personal_code"].format(
            until=date(code.expires_at), url=self._doors.url(code.secret), code_id=code.code_id
        )

    async def _send_picture(self, room_id: str, code: Code) -> None:
        picture = await self._cards.png(code)
        try:
            uri = await upload(self._api, self.chats.user_id, "image/png", picture)
        except Exception:
            # A worker without media, or a full disk: the link that follows is as good.
            logger.exception("Could not upload the picture of a join code")
            return
        await self.chats.send(
            room_id,
            {
                "msgtype": "m.image",
                "body": "join-code.png",
                "url": uri,
                "info": {
                    "mimetype": "image/png",
                    "size": len(picture),
                    # Some clients show nothing without these; a PNG has them at this place.
                    "w": int.from_bytes(picture[16:20], "big"),
                    "h": int.from_bytes(picture[20:24], "big"),
                },
            },
        )

    async def _codes(self, room_id: str, user_id: str, rest: str) -> str:
        said, number = group_and_page(rest)
        named = await self._group_meant(user_id, said)
        await self._require_share(named.group, user_id)
        page = Page(_CODES_A_PAGE + 1, skip=_CODES_A_PAGE * (number - 1))
        found = await self._doors.life.page(named.group, page)
        called = await self._called(user_id)
        lines = [
            self._words["code_line"].format(
                code_id=state.code.code_id,
                state=self._words[state.died_of.value if state.died_of else "alive"],
                sharer=called(state.code.sharer),
                until=date(state.code.expires_at),
                uses=state.code.uses,
            )
            for state in found[:_CODES_A_PAGE]
        ]
        if len(found) > _CODES_A_PAGE:
            lines.append(self._words["older_codes"].format(group=said, page=number + 1))
        return "\n".join(lines) or self._words["no_codes"].format(group=shortened(said))

    async def _revoke(self, room_id: str, user_id: str, rest: str) -> str:
        code_id = rest.lower()
        code = None
        if code_id.isalnum():
            code = await self._database.run("code", lambda txn: Codes.by_id(txn, code_id))
        if code is not None and code.is_personal and code.sharer == user_id:
            await self._doors.revoke(code)
            return self._words["revoked"]
        group = await self._scope.group(code.room_id) if code else None
        if (
            code is None
            or group is None
            or not await self._presence.is_member(group.room_id, user_id)
            or not (code.sharer == user_id or await self._doors.may_share(group, user_id))
        ):
            raise self._no("no_such_code")
        await self._doors.revoke(code)
        return self._words["revoked"]

    async def _name(self, room_id: str, user_id: str, rest: str) -> str:
        said, name = group_and_rest(rest)
        if not name:
            raise self._no("which_name")
        if len(name) > _LONGEST_NAME:
            raise self._no("name_too_long")
        named = await self._group_meant(user_id, said)
        await choose_name(self._api, named.group.room_id, user_id, name)
        return self._words["named"].format(group=named.called, name=name)

    async def _who(self, room_id: str, user_id: str, rest: str) -> str:
        named = await self._group_meant(user_id, rest)
        await self._require_share(named.group, user_id)
        found = await self._database.run(
            "who", lambda txn: Admissions.latest(txn, named.group.room_id, _MOST_ADMISSIONS)
        )
        called = await self._called(user_id)
        lines = [self._told(admission, called) for admission in reversed(found)]
        return "\n".join(lines) or self._words["nobody"]

    def _told(self, admission: Admission, called: Callable[[str], str]) -> str:
        return self._words[f"who_{admission.how.value}"].format(
            at=date(admission.admitted_at),
            user=called(admission.user_id),
            by=called(admission.inviter or ""),
            code=admission.code_id,
        )

    async def _called(self, user_id: str) -> Callable[[str], str]:
        """What people are called when this person is told of them: by their remark, if any."""
        remarks = await self._remarks.of(user_id) if self._api.is_mine(user_id) else {}
        known = {who: f"{name} ({who})" for who, name in remarks.items()}
        known[ERASED] = self._words["erased"]
        return lambda who: known.get(who, who)

    async def _remark(self, room_id: str, user_id: str, rest: str) -> str:
        other, _, name = rest.partition(" ")
        name = name.strip()
        if not (other.startswith("@") and ":" in other and other.isprintable()):
            raise self._no("which_person")
        try:
            await self._remarks.set(user_id, other, name)
        except ValueError as e:
            raise self._no("name_too_long") from e
        return self._words["remarked" if name else "unremarked"].format(user=other, name=name)

    async def _require_share(self, group: Group, user_id: str) -> None:
        if not await self._doors.may_share(group, user_id):
            raise self._no("not_entitled")

    async def _group_meant(self, user_id: str, said: str) -> NamedGroup:
        """The one of the asker's groups that they mean, and of nobody else's.

        Raises:
            Misunderstanding: none or several.
        """
        if not said:
            raise self._no("which_group")
        groups = await self._groups_of(user_id)
        meant = matching(said, [named.name for named in groups])
        if len(meant) != 1:
            raise self._no("several_groups" if meant else "no_such_group", said=said[:60])
        return groups[meant[0]]

    async def _groups_of(self, user_id: str) -> list[NamedGroup]:
        """Somebody's groups, always in the same order; their direct chats are left out."""

        def look(txn: LoggingTransaction) -> tuple[list[str], dict[str, object]]:
            return (
                Memberships.joined_rooms(txn, user_id),
                AccountData.m_direct(txn, user_id),
            )

        room_ids, direct = await self._database.run("groups_of", look)
        found = []
        for room_id in room_ids:
            group = await self._scope.group(room_id)
            if group is not None and not _lists(direct, room_id):
                name = await group_name(self._api, room_id)
                found.append(NamedGroup(group, name or self._words["unnamed"]))
        return sorted(found, key=lambda named: (named.name.casefold(), named.group.room_id))


def _lists(m_direct: dict[str, object], room_id: str) -> bool:
    """Whether anybody's list of direct chats in `m.direct` has this room."""
    return any(isinstance(rooms, list) and room_id in rooms for rooms in m_direct.values())
