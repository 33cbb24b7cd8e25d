"""The calls by which people look at their groups, and at who is in those that they may share."""

from typing import Any

from synapse.module_api import JsonDict

from synapse_capgroups.codes.sharing import Sharing
from synapse_capgroups.groups.members import GroupState, Sharer
from synapse_capgroups.groups.views import Person, Views
from synapse_capgroups.storage.admissions import Admission, GrowthOfDay
from synapse_capgroups.storage.forgetting import ERASED
from synapse_capgroups.web import paging
from synapse_capgroups.web.calls import ROOM, Callers, Route


class ViewCalls:
    """Lists groups, members and the record, each in pages; and how a group grew."""

    def __init__(self, callers: Callers, sharing: Sharing, views: Views) -> None:
        self._callers = callers
        self._sharing = sharing
        self._views = views

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route.to(self._groups, "GET", "groups"),
            Route.to(self._people, "GET", f"{ROOM}/members"),
            Route.to(self._record, "GET", f"{ROOM}/admissions"),
            Route.to(self._growth, "GET", f"{ROOM}/growth"),
        ]

    async def _groups(self, request: Any) -> tuple[int, JsonDict]:
        user_id = await self._callers.person(request)
        limit, after = paging.limit(request), paging.text(request)
        found = await self._views.groups(user_id, after, limit + 1)
        groups = [
            {"room_id": own.room_id, "room_name": own.room_name, **described_group(own.state)}
            for own in found[:limit]
        ]
        more = {"next": found[limit - 1].room_id} if len(found) > limit else {}
        return 200, {"groups": groups, **more}

    async def _people(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        limit, after = paging.limit(request), paging.text(request)
        sharer = await self._sharer(request, room_id)
        found = await self._views.people(sharer, after, limit + 1)
        more = {"next": found[limit - 1].user_id} if len(found) > limit else {}
        return 200, {"members": [_person(person) for person in found[:limit]], **more}

    async def _record(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        limit, before = paging.limit(request), paging.text(request)
        sharer = await self._sharer(request, room_id)
        found = await self._views.record(sharer, paging.moment(before), limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        more = {"next": f"{last.admitted_at} {last.user_id}"} if last else {}
        return 200, {"admissions": [_admission(entry) for entry in found[:limit]], **more}

    async def _growth(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        sharer = await self._sharer(request, room_id)
        return 200, {"days": [_day(day) for day in await self._views.growth(sharer)]}

    async def _sharer(self, request: Any, room_id: str) -> Sharer:
        return await self._sharing.sharer(await self._callers.member(request, room_id))


def described_group(state: GroupState) -> JsonDict:
    """A group as one of its members sees it."""
    return {
        "mode": state.mode.value,
        "members": state.members,
        "cap": state.cap,
        "code_limit": state.code_limit,
        "seats_left": state.seats_left,
        "name": state.name,
        "approval": state.approval,
    }


def _person(person: Person) -> JsonDict:
    came = _entry(person.came) if person.came else None
    return {
        "user_id": person.user_id,
        "name": person.name,
        "came": came,
        "friends": person.friends,
    }


def _admission(admission: Admission) -> JsonDict:
    return {"user_id": _named(admission.user_id), "came": _entry(admission)}


def _entry(admission: Admission) -> JsonDict:
    return {
        "how": admission.how.value,
        "by": _named(admission.inviter),
        "by_friend": admission.inviter_was_friend,
        "mode": admission.mode.value,
        "members": admission.members_after,
        "admitted_at": admission.admitted_at,
        "code_id": admission.code_id,
    }


def _named(user_id: str | None) -> str | None:
    """A Matrix ID; None for an erased account."""
    return None if user_id == ERASED else user_id


def _day(day: GrowthOfDay) -> JsonDict:
    return {"day": day.day, "came": day.came, "are_in": day.are_in, "members": day.members}
