"""The calls about assignments, for everybody who runs a series."""

import re
from os import SEEK_END
from typing import Any

from synapse.module_api import JsonDict, ModuleApi
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.assignments.assembly import Assigning
from synapse_capgroups.assignments.objections import OtherPlanError, SeriesHasChangedError
from synapse_capgroups.rules.assignment.flaws import UnreadableTable
from synapse_capgroups.rules.assignment.planning import ImpossibleSizesError
from synapse_capgroups.rules.text import MalformedRequest
from synapse_capgroups.series.organisers import Organiser, Organisers
from synapse_capgroups.storage.assignments import Progress
from synapse_capgroups.web import paging
from synapse_capgroups.web.calls import SERIES, Callers, Route, body
from synapse_capgroups.words.lookup import Words

_LONGEST_BODY = 40_000_000
"""Bytes. A table has 20 MB at most, and JSON writes some characters with more bytes."""

_LONGEST_STRUCTURE = 2_000_000
"""Bytes of a body that are no text: each of them can take forty once it is parsed."""

_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class AssignmentCalls:
    """Plans, applies and stops assignments, and tells how far they are."""

    def __init__(
        self,
        api: ModuleApi,
        callers: Callers,
        organisers: Organisers,
        assigning: Assigning,
        words: Words,
    ) -> None:
        self._api = api
        self._callers = callers
        self._organisers = organisers
        self._assigning = assigning
        self._words = words

    def routes(self) -> list[Route]:
        """All calls about assignments."""
        assignments = f"{SERIES}/assignments"
        one = f"{assignments}/([^/]+)"
        return [
            Route.to(self._plan, "POST", assignments),
            Route.to(self._list, "GET", assignments),
            Route.to(self._progress, "GET", one),
            Route.to(self._apply, "POST", f"{one}/apply"),
            Route.to(self._stop, "POST", f"{one}/stop"),
        ]

    async def _organiser(self, request: Any, series_id: str) -> Organiser:
        return await self._organisers.organiser(await self._callers.person(request), series_id)

    async def _plan(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        content = await self._large_body(request)
        try:
            planned = await self._assigning.plans.plan(organiser, content)
        except UnreadableTable as e:
            raise _invalid(self._words.say(e.flaw.value, **e.values)) from e
        except ImpossibleSizesError as e:
            said = self._words.say("assignment_sizes", least=e.least, most=e.most)
            raise _invalid(said) from e
        except MalformedRequest as e:
            raise SynapseError(400, str(e), ErrorCodes.BAD_JSON) from e
        bad_rows = [
            {
                "line": row.line,
                "end": row.end,
                "error": self._words.say(row.flaw.value, **row.values),
            }
            for row in planned.bad_rows
        ]
        assignment = planned.assignment
        answer = {"assignment_id": assignment.assignment_id, "hash": assignment.hash}
        return 200, {**planned.plan, **answer, "bad_rows": bad_rows}

    async def _large_body(self, request: Any) -> bytes:
        """The body of the one call that takes a table.

        Raises:
            SynapseError: it is too large.
        """
        size = request.content.seek(0, SEEK_END)
        request.content.seek(0)
        if size > _LONGEST_BODY:
            raise _too_large(f"The body must not be larger than {_LONGEST_BODY} bytes.")
        content: bytes = request.content.read()
        if size > _LONGEST_STRUCTURE:
            rest = await self._api.defer_to_thread(_TEXT.sub, b"", content)
            if len(rest) > _LONGEST_STRUCTURE // 40:
                raise _too_large(f"A list may have {_LONGEST_STRUCTURE} bytes. Send CSV instead.")
        return content

    async def _list(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        found = await self._assigning.applying.all(organiser)
        return 200, {"assignments": [_described(one) for one in found]}

    async def _progress(
        self, request: Any, series_id: str, assignment_id: str
    ) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        limit, after = paging.limit(request), paging.text(request)
        progress, failures = await self._assigning.applying.progress(
            organiser, assignment_id, after, limit + 1
        )
        answer = _described(progress)
        answer["failures"] = [
            {"user": failure.user_id, "error": failure.error} for failure in failures[:limit]
        ]
        if len(failures) > limit:
            answer["next"] = failures[limit - 1].user_id
        return 200, answer

    async def _apply(
        self, request: Any, series_id: str, assignment_id: str
    ) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        plan_hash = body(request).get("hash")
        if not isinstance(plan_hash, str):
            raise SynapseError(400, "'hash' must be a string", ErrorCodes.BAD_JSON)
        try:
            await self._assigning.applying.apply(organiser, assignment_id, plan_hash)
        except OtherPlanError as e:
            raise _conflict("other_plan", self._words.say("assignment_other_plan")) from e
        except SeriesHasChangedError as e:
            said = self._words.say("assignment_series_has_changed")
            raise _conflict("series_has_changed", said) from e
        return 200, {}

    async def _stop(self, request: Any, series_id: str, assignment_id: str) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        await self._assigning.applying.stop(organiser, assignment_id)
        return 200, {}


def _described(progress: Progress) -> JsonDict:
    assignment = progress.assignment
    return {
        "assignment_id": assignment.assignment_id,
        "hash": assignment.hash,
        "state": assignment.state.value,
        "people": progress.people,
        "done": progress.done,
        "failed": progress.failed,
        "created_at": assignment.created_at,
    }


def _invalid(text: str) -> SynapseError:
    return SynapseError(400, text, ErrorCodes.INVALID_PARAM)


def _too_large(text: str) -> SynapseError:
    return SynapseError(413, text, ErrorCodes.TOO_LARGE)


def _conflict(reason: str, text: str) -> SynapseError:
    return SynapseError(409, text, ErrorCodes.UNKNOWN, {"org.capgroups.reason": reason})
