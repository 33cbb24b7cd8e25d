"""Puts news into a few lines. What is no longer so by then is left out."""

from collections.abc import Callable

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.concierge.newcomers import Newcomers
from synapse_capgroups.concierge.voice import shortened
from synapse_capgroups.concierge.who_is_who import WhoIsWho
from synapse_capgroups.config import Config
from synapse_capgroups.inside.start import allows_per_room_profiles
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.rules.news import NewsKind
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.admissions import Admissions
from synapse_capgroups.storage.aliases import Aliases
from synapse_capgroups.storage.codes import Code, Codes
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.forgetting import ERASED
from synapse_capgroups.storage.news import NewsItem
from synapse_capgroups.storage.seats import Seats
from synapse_capgroups.storage.series import SeriesRows

_MOST_LINES = 10
_MOST_NAMES = 5
_ORDER = list(NewsKind)
_DIED = {
    Reason.CODE_EXPIRED: "news_expired",
    Reason.CODE_USED_UP: "news_used_up",
    Reason.CODE_REVOKED: "news_revoked",
    Reason.CODE_CLOSED: "news_closed",
}
_NEAR = {
    NewsKind.NEAR_CODE_LIMIT: "news_near_code_limit",
    NewsKind.NEAR_CAP: "news_near_cap",
}


@attrs.frozen
class _DeadCode:
    """A code of the reader's, and the name of its series if it is a live one."""

    code: Code
    died_of: Reason
    series: str | None


@attrs.frozen
class _Near:
    """A group that is nearly full, with its members now."""

    kind: NewsKind
    room_id: str
    members: int


@attrs.frozen
class _Came:
    """How many people came into a group, and the Matrix IDs of a few of them."""

    room_id: str
    number: int
    some: list[str]


@attrs.frozen
class _Newcomer:
    """A group that the reader has come into."""

    room_id: str


_Fact = _DeadCode | _Near | _Came | _Newcomer


class NewsWriting:
    """Writes the message of one person."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        newcomers: Newcomers,
        who: WhoIsWho,
        config: Config,
    ) -> None:
        self._database = database
        self._newcomers = newcomers
        self._who = who
        self._words = config.words
        self._limits = {
            NewsKind.NEAR_CODE_LIMIT: config.code_limit,
            NewsKind.NEAR_CAP: config.cap,
        }
        self._has_pseudonyms = config.names.on_arrival == "pseudonym"
        self._has_names = allows_per_room_profiles(api)

    async def text(self, reader: str, items: list[NewsItem], until: int) -> str:
        """The message; empty if nothing is left to say.

        Args:
            until: those who came later are told another time.
        """
        items = sorted(items, key=lambda item: (_ORDER.index(item.kind), item.happened_at))

        def look(txn: LoggingTransaction) -> list[_Fact]:
            return [fact for item in items for fact in self._facts(txn, reader, item, until)]

        facts = await self._database.run("news", look)
        called = await self._who.to(reader)
        lines = [await self._line(fact, called) for fact in facts[:_MOST_LINES]]
        if not lines:
            return ""
        if len(facts) > _MOST_LINES:
            lines.append(self._words.say("and_more"))
        return "\n".join([*lines, self._words.say("news_quiet")])

    def _facts(
        self, txn: LoggingTransaction, reader: str, item: NewsItem, until: int
    ) -> list[_Fact]:
        match item.kind:
            case NewsKind.CODE_DIED:
                return self._dead_code(txn, reader, item.about)
            case NewsKind.CAME:
                return self._came(txn, reader, item.happened_at, until)
        if not Memberships.is_member(txn, item.about, reader):
            return []
        if item.kind is NewsKind.NEWCOMER:
            return self._newcomer(txn, reader, item.about)
        members = Seats.members(txn, item.about)
        if item.kind is NewsKind.NEAR_CODE_LIMIT and members >= self._limits[item.kind]:
            return []  # There are no codes any more, which whoever had one is told.
        return [_Near(item.kind, item.about, members)]

    @staticmethod
    def _dead_code(txn: LoggingTransaction, reader: str, code_id: str) -> list[_Fact]:
        code = Codes.by_id(txn, code_id)
        if code is None or code.sharer != reader or code.died_of is None:
            return []
        series = None
        if code.is_live and (found := SeriesRows.by_id(txn, code.room_id)) is not None:
            series = shortened(found.name)
        is_group = not code.is_live and not code.is_personal
        if is_group and not Memberships.is_member(txn, code.room_id, reader):
            return []  # They have left or were removed, and know.
        if code.is_live and (series is None or code.died_of is Reason.CODE_REVOKED):
            return []  # It ended with the series, or an organiser ended it.
        return [_DeadCode(code, code.died_of, series)]

    @staticmethod
    def _came(txn: LoggingTransaction, reader: str, since: int, until: int) -> list[_Fact]:
        counted = Admissions.came_by_codes(txn, reader, since, until)
        return [
            _Came(
                room_id,
                number,
                Admissions.some_who_came(txn, reader, room_id, (since, until), _MOST_NAMES + 1),
            )
            for room_id, number in counted[: _MOST_LINES + 1]
            if Memberships.is_member(txn, room_id, reader)
        ]

    def _newcomer(self, txn: LoggingTransaction, reader: str, room_id: str) -> list[_Fact]:
        if not self._has_names:
            return []
        has_chosen = Aliases.of(txn, room_id, reader) is not None and not self._has_pseudonyms
        return [] if has_chosen else [_Newcomer(room_id)]

    async def _line(self, fact: _Fact, called: Callable[[str], str]) -> str:
        match fact:
            case _DeadCode():
                return await self._code_line(fact)
            case _Near():
                group = await self._newcomers.group(fact.room_id)
                return self._words.say(
                    _NEAR[fact.kind],
                    group=group,
                    members=fact.members,
                    limit=self._limits[fact.kind],
                )
            case _Came():
                people = [
                    await self._newcomers.person(user_id, called)
                    for user_id in fact.some[:_MOST_NAMES]
                    if user_id != ERASED
                ]
                if fact.number > len(people):
                    people.append("…")
                return self._words.say(
                    "news_came",
                    number=fact.number,
                    group=await self._newcomers.group(fact.room_id),
                    people=", ".join(people),
                )
            case _Newcomer():
                group = await self._newcomers.group(fact.room_id)
                return self._words.say("news_newcomer", group=group)

    async def _code_line(self, fact: _DeadCode) -> str:
        code, words = fact.code, self._words
        state = words.say(fact.died_of.value)
        if code.is_personal:
            return words.say("news_own_code", code_id=code.code_id, state=state)
        if fact.series is not None:
            return words.say(
                "news_live_code", code_id=code.code_id, series=fact.series, state=state
            )
        group = await self._newcomers.group(code.room_id)
        limit = self._limits[NewsKind.NEAR_CODE_LIMIT]
        return words.say(_DIED[fact.died_of], code_id=code.code_id, group=group, limit=limit)
