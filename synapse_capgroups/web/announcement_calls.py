"""The calls about announcements, for the organisers of a series."""

import contextlib
from collections.abc import Iterator
from typing import Any

from synapse.module_api import JsonDict
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.announcements.assembly import Announcing
from synapse_capgroups.announcements.changing import Progress
from synapse_capgroups.announcements.drafting import NoSuchAnnouncementError, Preview, Wish
from synapse_capgroups.announcements.telling import PROBLEMS
from synapse_capgroups.config import Config
from synapse_capgroups.rules.announcements import (
    AnnouncementError,
    AnnouncementProblem,
    text_message,
)
from synapse_capgroups.series.organisers import NoSuchSeriesError, Organiser
from synapse_capgroups.storage.announcements import OutboxRow
from synapse_capgroups.storage.forgetting import ERASED
from synapse_capgroups.web import paging
from synapse_capgroups.web.calls import Callers, Route, body
from synapse_capgroups.web.errors import not_found

_ALL = "series/([^/]+)/announcements"
_ONE = f"{_ALL}/([0-9a-z_]{{1,20}})"

_STATUS = {
    AnnouncementProblem.EMPTY: (400, ErrorCodes.INVALID_PARAM),
    AnnouncementProblem.MALFORMED: (400, ErrorCodes.INVALID_PARAM),
    AnnouncementProblem.ENCRYPTED_FILE: (400, ErrorCodes.INVALID_PARAM),
    AnnouncementProblem.TOO_LONG: (413, ErrorCodes.TOO_LARGE),
    AnnouncementProblem.TOO_MANY: (429, ErrorCodes.LIMIT_EXCEEDED),
    AnnouncementProblem.SUSPENDED: (403, ErrorCodes.USER_ACCOUNT_SUSPENDED),
}


class AnnouncementCalls:
    """Drafts, sends, lists, edits and deletes announcements."""

    def __init__(self, callers: Callers, announcing: Announcing, config: Config) -> None:
        self._callers = callers
        self._organisers = announcing.organisers
        self._drafting = announcing.drafting
        self._announced = announcing.announced
        self._config = config

    def routes(self) -> list[Route]:
        """All calls about announcements."""
        return [
            Route.to(self._draft, "POST", _ALL),
            Route.to(self._list, "GET", _ALL),
            Route.to(self._confirm, "POST", f"{_ONE}/confirm"),
            Route.to(self._retry, "POST", f"{_ONE}/retry"),
            Route.to(self._get, "GET", _ONE),
            Route.to(self._edit, "PUT", _ONE),
            Route.to(self._delete, "DELETE", _ONE),
        ]

    async def _draft(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        with self._told():
            organiser = await self._organiser(request, series_id)
            asked = body(request)
            wish = Wish(_content(asked), _flag(asked, "mention_room"), _flag(asked, "pin"))
            return 200, _previewed(await self._drafting.draft(organiser, wish))

    async def _confirm(self, request: Any, series_id: str, key: str) -> tuple[int, JsonDict]:
        with self._told():
            organiser = await self._organiser(request, series_id)
            await self._drafting.confirm(organiser, key)
            return 200, _described(await self._announced.one(organiser, key, most=0))

    async def _list(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        with self._told():
            organiser = await self._organiser(request, series_id)
            limit, before = paging.limit(request), paging.place(request)
            found = await self._announced.page(organiser, limit + 1, before)
        answer: JsonDict = {"announcements": [_described(progress) for progress in found[:limit]]}
        if len(found) > limit:
            last = found[limit - 1].announcement
            answer["next"] = paging.after(last.confirmed_at or 0, last.announcement_id)
        return 200, answer

    async def _get(self, request: Any, series_id: str, key: str) -> tuple[int, JsonDict]:
        with self._told():
            organiser = await self._organiser(request, series_id)
            limit, before = paging.limit(request), paging.place(request)
            after = before[0] if before else 0
            found = await self._announced.one(organiser, key, after=after, most=limit + 1)
        answer = _described(found)
        answer["content"] = found.announcement.content
        answer["incomplete"] = [_of_group(row) for row in found.incomplete[:limit]]
        if len(found.incomplete) > limit:
            answer["next"] = paging.after(found.incomplete[limit - 1].number, "0")
        return 200, answer

    async def _edit(self, request: Any, series_id: str, key: str) -> tuple[int, JsonDict]:
        with self._told():
            organiser = await self._organiser(request, series_id)
            await self._announced.edit(organiser, key, _content(body(request)))
            return 200, _described(await self._announced.one(organiser, key, most=0))

    async def _delete(self, request: Any, series_id: str, key: str) -> tuple[int, JsonDict]:
        with self._told():
            organiser = await self._organiser(request, series_id)
            try:
                await self._drafting.drop(organiser, key)
            except NoSuchAnnouncementError:
                await self._announced.delete(organiser, key)
        return 200, {}

    async def _retry(self, request: Any, series_id: str, key: str) -> tuple[int, JsonDict]:
        with self._told():
            organiser = await self._organiser(request, series_id)
            await self._announced.retry(organiser, key)
            return 200, _described(await self._announced.one(organiser, key, most=0))

    async def _organiser(self, request: Any, series_id: str) -> Organiser:
        return await self._organisers.organiser(await self._callers.person(request), series_id)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tell why something cannot be done."""
        words = self._config.words
        try:
            yield
        except NoSuchSeriesError as e:
            raise not_found(words.say("series_unknown")) from e
        except NoSuchAnnouncementError as e:
            raise not_found(words.say("announcement_unknown")) from e
        except AnnouncementError as e:
            status, code = _STATUS.get(e.problem, (403, ErrorCodes.FORBIDDEN))
            most = self._config.series.announcements_per_day
            raise SynapseError(
                status,
                words.say(PROBLEMS[e.problem], most=most),
                code,
                {"org.capgroups.reason": f"announcement_{e.problem.value}"},
            ) from e


def _content(asked: JsonDict) -> object:
    """The content of a message: as it is, or of a text."""
    if "content" in asked:
        return asked["content"]
    text = asked.get("text")
    if not isinstance(text, str):
        raise SynapseError(
            400, "'text' must be a string, or 'content' a message's", ErrorCodes.INVALID_PARAM
        )
    return text_message(text)


def _flag(asked: JsonDict, name: str) -> bool:
    value = asked.get(name, False)
    if not isinstance(value, bool):
        raise SynapseError(400, f"'{name}' must be true or false", ErrorCodes.INVALID_PARAM)
    return value


def _previewed(preview: Preview) -> JsonDict:
    return {
        "announcement_id": preview.draft.announcement_id,
        "groups": preview.reach.groups,
        "people": preview.reach.people,
        "encrypted_groups": preview.reach.encrypted,
        "groups_without_you": preview.reach.without_author,
        "left_today": preview.left_today,
    }


def _described(found: Progress) -> JsonDict:
    said = found.announcement
    return {
        "announcement_id": said.announcement_id,
        "author": said.author,
        "state": said.state.value,
        "confirmed_at": said.confirmed_at,
        "mention_room": said.mention_room,
        "pin": said.pin,
        "edits": said.revision - 1,
        "deleted_by": None if said.deleted_by == ERASED else said.deleted_by,
        "deleted": said.deleted_by is not None,
        "groups": found.total,
        "reached": found.reached,
        "waiting": found.waiting,
    }


def _of_group(row: OutboxRow) -> JsonDict:
    return {
        "room_id": row.room_id,
        "number": row.number,
        "state": row.state.value,
        "reason": row.reason.value if row.reason else None,
        "beside": [word.value for word in row.beside],
    }
