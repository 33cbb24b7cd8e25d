"""The calls about series, for their organisers and helpers."""

from collections.abc import Mapping, Sequence
from typing import Any

from synapse.module_api import JsonDict
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.groups.members import Members
from synapse_capgroups.series.beginning import SeriesWish
from synapse_capgroups.series.changes import SeriesChange
from synapse_capgroups.series.groups import GroupInSeries
from synapse_capgroups.series.organisers import Organiser
from synapse_capgroups.series.organising import Organising
from synapse_capgroups.series.report import MOST_DAYS, Report
from synapse_capgroups.web import paging
from synapse_capgroups.web.calls import SERIES, Callers, Route, body

_DAYS = 30


class SeriesCalls:
    """Starts, lists, changes and ends series; their groups, helpers and reports."""

    def __init__(self, callers: Callers, members: Members, series: Organising) -> None:
        self._callers = callers
        self._members = members
        self._series = series

    def routes(self) -> list[Route]:
        """All calls about series but those about their codes."""
        helper = f"{SERIES}/helpers/([^/]+)"
        return [
            Route.to(self._start, "POST", "series"),
            Route.to(self._list, "GET", "series"),
            Route.to(self._describe, "GET", SERIES),
            Route.to(self._change, "PATCH", SERIES),
            Route.to(self._end, "DELETE", SERIES),
            Route.to(self._groups, "GET", f"{SERIES}/groups"),
            Route.to(self._take_in, "POST", f"{SERIES}/groups"),
            Route.to(self._let_go, "DELETE", f"{SERIES}/groups/([^/]+)"),
            Route.to(self._helpers, "GET", f"{SERIES}/helpers"),
            Route.to(self._name_helper, "PUT", helper),
            Route.to(self._remove_helper, "DELETE", helper),
            Route.to(self._report, "GET", f"{SERIES}/report"),
            Route.to(self._twice, "GET", f"{SERIES}/twice"),
        ]

    async def _organiser(self, request: Any, series_id: str) -> Organiser:
        user_id = await self._callers.person(request)
        return await self._series.organisers.organiser(user_id, series_id)

    async def _start(self, request: Any) -> tuple[int, JsonDict]:
        user_id = await self._callers.person(request)
        wish = body(request)
        member = await self._members.member(user_id, _text(wish, "room_id"))
        organiser = await self._series.starting.start(
            member,
            SeriesWish(
                wish.get("name"), wish.get("pattern"), wish.get("fill"), wish.get("max_groups")
            ),
        )
        return 200, await self._described(organiser)

    async def _list(self, request: Any) -> tuple[int, JsonDict]:
        user_id = await self._callers.person(request)
        limit, after = paging.limit(request), paging.number(request)
        found = await self._series.organisers.of_person(user_id)
        page = found[after : after + limit]
        answer: JsonDict = {"series": await self._all_described(page)}
        if len(found) > after + limit:
            answer["next"] = str(after + limit)
        return 200, answer

    async def _describe(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        return 200, await self._described(await self._organiser(request, series_id))

    async def _change(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        wish = body(request)
        state = wish.get("state")
        if state not in (None, "running", "paused"):
            raise _invalid("'state' must be running or paused")
        paused = None if state is None else state == "paused"
        heir = _text(wish, "organiser") if "organiser" in wish else None
        changes = {key: wish.get(key) for key in ("name", "pattern", "fill", "max_groups")}
        if heir is None or paused is not None or any(v is not None for v in changes.values()):
            change = SeriesChange(**changes, paused=paused)
            organiser = await self._series.changing.change(organiser, change)
        if heir is not None:
            organiser = await self._series.helpers.hand_over(organiser, heir)
        return 200, await self._described(organiser)

    async def _end(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        await self._series.changing.end(await self._organiser(request, series_id))
        return 200, {}

    async def _groups(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        limit, after = paging.limit(request), paging.number(request)
        found = await self._series.groups.page(organiser, after, limit + 1)
        answer: JsonDict = {"groups": [_group(group) for group in found[:limit]]}
        if len(found) > limit:
            answer["next"] = str(found[limit - 1].number)
        return 200, answer

    async def _take_in(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        room_id = _text(body(request), "room_id")
        member = await self._members.member(organiser.user_id, room_id)
        number, tended = await self._series.groups.take_in(organiser, member)
        without = sorted(who for who, groups in tended.without_power.items() if number in groups)
        return 200, {"number": number, "helpers_without_power": without}

    async def _let_go(self, request: Any, series_id: str, number: str) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        done = await self._series.groups.let_go(organiser, paging.whole_number(number) or 0)
        return 200, {"helpers_keep_power": not done}

    async def _helpers(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        found = await self._series.helpers.all(organiser)
        return 200, {
            "helpers": [{"user_id": one.user_id, "has_agreed": one.has_agreed} for one in found]
        }

    async def _name_helper(
        self, request: Any, series_id: str, user_id: str
    ) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        tended = await self._series.helpers.name(organiser, user_id)
        return 200, {"without_power_in": tended.without_power.get(user_id, [])}

    async def _remove_helper(
        self, request: Any, series_id: str, user_id: str
    ) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        kept = await self._series.helpers.remove(organiser, user_id)
        return 200, {"keeps_power_in": kept}

    async def _report(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        days = paging.number(request, "days", _DAYS)
        if not 1 <= days <= MOST_DAYS:
            raise _invalid(f"'days' must be a number from 1 to {MOST_DAYS}")
        return 200, _reported(await self._series.reports.report(organiser, days))

    async def _twice(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        limit, after = paging.limit(request), paging.text(request)
        found = await self._series.reports.twice(organiser, after, limit + 1)
        people = [{"user_id": user_id, "groups": numbers} for user_id, numbers in found[:limit]]
        answer: JsonDict = {"people": people}
        if len(found) > limit:
            answer["next"] = found[limit - 1][0]
        return 200, answer

    async def _described(self, organiser: Organiser) -> JsonDict:
        return (await self._all_described([organiser]))[0]

    async def _all_described(self, organisers: Sequence[Organiser]) -> list[JsonDict]:
        counts = await self._series.groups.counts(organisers)
        return [_series(one, count) for one, count in zip(organisers, counts, strict=True)]


def _series(organiser: Organiser, groups: int) -> JsonDict:
    series = organiser.series
    return {
        "series_id": series.series_id,
        "name": series.name,
        "pattern": series.pattern,
        "fill": series.fill,
        "max_groups": series.max_groups,
        "state": series.state.value,
        "organiser": series.organiser,
        "is_helper": organiser.is_helper,
        "groups": groups,
        "created_at": series.created_at,
        "ended_at": series.ended_at,
    }


def _group(group: GroupInSeries) -> JsonDict:
    return {
        "number": group.number,
        "room_id": group.room_id,
        "name": group.name,
        "people": group.people,
        "places_left": max(0, group.places_left),
        "is_member": group.is_member,
        "label": group.label,
    }


def _reported(report: Report) -> JsonDict:
    came: Sequence[Mapping[str, Any]] = [
        {
            "day": row.day,
            "by_code": row.by_code,
            "label": row.label,
            "came": row.came,
            "left": row.left,
            "are_in": row.are_in,
        }
        for row in report.came
    ]
    return {
        "came": came,
        "groups": report.groups,
        "members": report.members,
        "places_left": report.places_left,
        "with_a_friend": report.with_a_friend,
    }


def _text(wish: JsonDict, key: str) -> str:
    value = wish.get(key)
    if not isinstance(value, str):
        raise _invalid(f"'{key}' must be a string")
    return value


def _invalid(text: str) -> SynapseError:
    return SynapseError(400, text, ErrorCodes.INVALID_PARAM)
