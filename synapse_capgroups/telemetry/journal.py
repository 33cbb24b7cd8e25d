"""One structured log line for each admission and each refusal.

The line is a word and a JSON object, so that it can be read by people and taken apart by machines,
and nothing that a user chose can break it in two: it is ASCII, other line ends escaped.
The logger is `synapse_capgroups.journal`.
"""

import json
import logging
from typing import Any

from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.storage.admissions import Admission
from synapse_capgroups.storage.announcements import Announcement
from synapse_capgroups.storage.assignments import Assignment
from synapse_capgroups.storage.requests import Request

# Named in admins' log configurations; it stays whatever file this is.
logger = logging.getLogger("synapse_capgroups.journal")


def admitted(admission: Admission) -> None:
    """Somebody was let in, and is in."""
    facts = {
        "group": admission.room_id,
        "user": admission.user_id,
        "how": admission.how.value,
        "by": admission.inviter,
        "friend": admission.inviter_was_friend,
        "mode": admission.mode.value,
        "members": admission.members_after,
    }
    if admission.code_id is not None:
        facts["code"] = admission.code_id
    _write("admitted", facts)


def refused(refusal: Refusal, *, enforced: bool, **facts: Any) -> None:
    """Something was refused, or would have been if `enforce` were true."""
    facts["reason"] = refusal.reason.value
    if refusal.limit is not None:
        facts["limit"] = refusal.limit
    if refusal.members is not None:
        facts["members"] = refusal.members
    _write("refused" if enforced else "not_enforced", facts)


def asked(request: Request) -> None:
    """Somebody waits for a moderator's answer."""
    _write("asked", _about(request))


def answered(request: Request, moderator: str, *, approved: bool) -> None:
    """A moderator has answered."""
    word = "approved" if approved else "not_approved"
    _write(word, {**_about(request), "by": moderator})


def request_ended(request: Request, why: str) -> None:
    """A request is over without an answer.

    Args:
        why: `expired`, or the reason for which it could never succeed.
    """
    _write("request_ended", {**_about(request), "reason": why})


def approval(room_id: str, user_id: str, *, on: bool) -> None:
    """Somebody has turned approval on or off."""
    _write("approval", {"group": room_id, "by": user_id, "on": on})


def _about(request: Request) -> dict[str, Any]:
    return {"group": request.room_id, "user": request.user_id, "code": request.code_id}


def breach(room_id: str, event_id: str, sender: str, event_type: str, reason: Reason) -> None:
    """A group was opened by somebody who stands above the rules."""
    facts = {"group": room_id, "event": event_id, "by": sender, "type": event_type}
    _write("breach", {**facts, "reason": reason.value})


def withdrawn(room_id: str, user_id: str, reason: Reason, *, removed: bool) -> None:
    """Somebody of another server lost an invitation or was removed, or nobody had the power to."""
    facts = {"group": room_id, "user": user_id, "reason": reason.value, "removed": removed}
    _write("withdrawn", facts)


def put_right(room_id: str, sender: str, event_type: str, *, done: bool) -> None:
    """What another server did to a group was undone, or nobody here had the power to."""
    _write("put_right", {"group": room_id, "by": sender, "type": event_type, "done": done})


def announced(announcement: Announcement, user_id: str, what: str) -> None:
    """An announcement was confirmed, edited, deleted or tried again; what it says is not here."""
    _write(
        "announcement",
        {
            "announcement": announcement.announcement_id,
            "series": announcement.series_id,
            "by": user_id,
            "what": what,
        },
    )


def series(deed: str, series_id: str, by: str, **facts: Any) -> None:
    """An organiser has done something with a series."""
    _write("series", {"series": series_id, "deed": deed, "by": by, **facts})


def assignment(assigned: Assignment, by: str, what: str, **counts: int) -> None:
    """An assignment was planned, applied, stopped, is done, or cannot go on; nobody is named."""
    facts = {"assignment": assigned.assignment_id, "series": assigned.series_id, "by": by}
    _write("assignment", {**facts, "what": what, **counts})


def console(deed: str, user_id: str, session_id: str | None) -> None:
    """Somebody has opened a session of the console, or ended one, or (None) all of theirs."""
    _write("console", {"deed": deed, "user": user_id, "session": session_id})


def admin(deed: str, by: str, **facts: Any) -> None:
    """A server admin has done something with the module's own commands."""
    _write("admin", {"deed": deed, "by": by, **facts})


def forgot(what: str, number: int) -> None:
    """Rows were removed that nobody needs, or an account or a room was forgotten; none is named.

    Args:
        what: as in `metrics.FORGOTTEN`.
    """
    _write("forgot", {"what": what, "number": number})


def _write(word: str, facts: dict[str, Any]) -> None:
    logger.info("%s %s", word, json.dumps(facts, sort_keys=True))
