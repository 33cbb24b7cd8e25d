"""Rule 12: what an announcement may say, and what is written into each group."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs
from canonicaljson import encode_canonical_json

from synapse_capgroups.rules.power_levels import named_level, number

MARKER = "org.capgroups.announcement"
"""The key in an event's content by which a copy that was sent is found again after a crash."""

MOST_REVISIONS = 11
"""The first text and ten edits: each is an event in every group, whatever an organiser may send."""

LONGEST = 16_000
"""Bytes of an announcement's content in canonical JSON. An edit has it twice, and an event has
65,536 in all."""

_HTML = "org.matrix.custom.html"
_MEDIA = frozenset({"m.image", "m.file", "m.video", "m.audio"})
_LARGEST_NUMBER = 2**53 - 1
_DEEPEST = 6
_DEFAULT_NOTIFY = 50


class Undelivered(Enum):
    """Why a copy is not in its group, or why an edit or a deletion did not reach it."""

    NOT_MEMBER = "not_member"
    NO_POWER = "no_power"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    NOT_ORGANISER = "not_organiser"
    NOT_IN_SERIES = "not_in_series"
    REFUSED = "refused"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Beside(Enum):
    """What did not come to pass although the copy is in its group."""

    NOT_PINNED = "not_pinned"
    NOT_NOTIFIED = "not_notified"


class AnnouncementProblem(Enum):
    """Why an organiser cannot announce something."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    ENCRYPTED_FILE = "encrypted_file"
    SERIES_ENDED = "series_ended"
    NO_GROUPS = "no_groups"
    TOO_MANY = "too_many"
    TOO_MANY_EDITS = "too_many_edits"
    NOT_AUTHOR = "not_author"
    DELETED = "deleted"
    SUSPENDED = "suspended"


class AnnouncementError(Exception):
    """An announcement cannot be made or changed."""

    def __init__(self, problem: AnnouncementProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


@attrs.frozen
class Copy:
    """What one group gets.

    Attributes:
        content: as it was checked by `message`.
        marker: opaque, and another one for each group and revision.
        notify: whether everybody in the group is notified (`@room`).
        unencrypted: what is written above it in an encrypted group; empty in others.
    """

    content: Mapping[str, Any]
    marker: str
    notify: bool
    unencrypted: str

    def event(self) -> dict[str, Any]:
        """The content of the event."""
        # Without `m.mentions`, clients would look for names and for @room in the text.
        mentions = {"room": True} if self.notify else {}
        return {**self._marked(), "m.mentions": mentions, MARKER: self.marker}

    def edit_of(self, event_id: str) -> dict[str, Any]:
        """The content of an event that replaces the first copy. Nobody is notified again."""
        said = self._marked()
        return {
            **said,
            "body": f"* {said['body']}",
            "m.mentions": {},
            "m.new_content": {**said, "m.mentions": {"room": True} if self.notify else {}},
            "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
            MARKER: self.marker,
        }

    def _marked(self) -> dict[str, Any]:
        content = dict(self.content)
        if not self.unencrypted:
            return content
        body = content["body"]
        if content["msgtype"] in _MEDIA and content.get("filename", body) == body:
            # The name of the file stood there, and no words.
            return {**content, "filename": body, "body": self.unencrypted}
        content["body"] = f"{self.unencrypted}\n\n{body}"
        if "formatted_body" in content:
            content["formatted_body"] = (
                f"<p><em>{self.unencrypted}</em></p>{content['formatted_body']}"
            )
        return content


def text_message(text: str) -> dict[str, Any]:
    """The content of a message that is only text."""
    return {"msgtype": "m.text", "body": text}


def message(asked: object) -> dict[str, Any]:
    """Check the content of a message that is to be announced, and take what is needed of it.

    Raises:
        AnnouncementError: it cannot be announced.
    """
    if not isinstance(asked, Mapping):
        raise AnnouncementError(AnnouncementProblem.MALFORMED)
    kind, body = asked.get("msgtype"), asked.get("body")
    if not isinstance(kind, str) or not isinstance(body, str):
        raise AnnouncementError(AnnouncementProblem.MALFORMED)
    if kind != "m.text" and kind not in _MEDIA:
        raise AnnouncementError(AnnouncementProblem.MALFORMED)
    if not body.strip():
        raise AnnouncementError(AnnouncementProblem.EMPTY)
    content: dict[str, Any] = {"msgtype": kind, "body": body}
    if asked.get("format") == _HTML and isinstance(asked.get("formatted_body"), str):
        content |= {"format": _HTML, "formatted_body": asked["formatted_body"]}
    if kind in _MEDIA:
        content |= _file(asked)
    _check_size(content)
    return content


def _file(asked: Mapping[str, Any]) -> dict[str, Any]:
    info = asked.get("info", {})
    if "file" in asked or (isinstance(info, Mapping) and "thumbnail_file" in info):
        raise AnnouncementError(AnnouncementProblem.ENCRYPTED_FILE)
    url, name = asked.get("url"), asked.get("filename", asked["body"])
    if (
        not isinstance(info, Mapping)
        or not isinstance(name, str)
        or not isinstance(url, str)
        or not url.startswith("mxc://")
    ):
        raise AnnouncementError(AnnouncementProblem.MALFORMED)
    return {"url": url, "info": dict(info), "filename": name}


def _check_size(content: Mapping[str, Any]) -> None:
    if not _is_plain(content):
        raise AnnouncementError(AnnouncementProblem.MALFORMED)
    try:
        encoded = encode_canonical_json(content)
    except ValueError as e:  # Half a surrogate pair.
        raise AnnouncementError(AnnouncementProblem.MALFORMED) from e
    if len(encoded) > LONGEST:
        raise AnnouncementError(AnnouncementProblem.TOO_LONG)
    if b"\\u0000" in encoded.replace(b"\\\\", b""):
        raise AnnouncementError(AnnouncementProblem.MALFORMED)


def _is_plain(value: object, depth: int = 0) -> bool:
    """Whether an event can have this: no fractions, no numbers that are too large for JSON."""
    if depth > _DEEPEST:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _is_plain(inner, depth + 1) for k, inner in value.items())
    if isinstance(value, list):
        return all(_is_plain(inner, depth + 1) for inner in value)
    if isinstance(value, int):
        return abs(value) <= _LARGEST_NUMBER
    return value is None or isinstance(value, str)


def may_notify(user_id: str, power_levels: object, creators: frozenset[str]) -> bool:
    """Whether a member's `@room` notifies everybody in the group.

    Args:
        power_levels: the content of `m.room.power_levels`; anything if it has none.
        creators: those who have all power.
    """
    if user_id in creators:
        return True
    levels: Mapping[str, Any] = power_levels if isinstance(power_levels, Mapping) else {}
    notifications, users = levels.get("notifications"), levels.get("users")
    needed = notifications.get("room") if isinstance(notifications, Mapping) else None
    own = number(users.get(user_id)) if isinstance(users, Mapping) else None
    level = named_level(levels, "users_default") or 0 if own is None else own
    least = number(needed)
    return level >= (_DEFAULT_NOTIFY if least is None else least)
