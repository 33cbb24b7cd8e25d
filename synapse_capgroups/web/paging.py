"""Pages of lists: the parameters `from` and `limit`, and `next` in the answer."""

import re
from typing import Any

from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

_DEFAULT = 50
_MOST = 100
_LONGEST_TEXT = 300
_LATEST = 10**15
_PLACE = re.compile(r"([0-9]{1,15})-([0-9a-z]{1,20})")


def limit(request: Any) -> int:
    """The number of entries that the caller wants on a page.

    Raises:
        SynapseError: `limit` is no such number.
    """
    text = _argument(request, b"limit")
    if text is None:
        return _DEFAULT
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise _invalid("'limit' must be a number, 1 or more")
    return min(int(text), _MOST)


def place(request: Any) -> tuple[int, str] | None:
    """The time and the ID of the last entry of the page before.

    Raises:
        SynapseError: `from` is not the `next` of a page.
    """
    text = _argument(request, b"from")
    if text is None:
        return None
    match = _PLACE.fullmatch(text)
    if match is None:
        raise invalid_place()
    return int(match[1]), match[2]


def invalid_place() -> SynapseError:
    """The answer to a `from` that is not the `next` of a page of this list."""
    return _invalid("'from' must be what the page before gave as 'next'")


def number(request: Any, name: str = "from", default: int = 0) -> int:
    """A parameter that is a whole number: of a list in the order of numbers, where a page begins.

    Raises:
        SynapseError: it is no such number.
    """
    text_of_it = _argument(request, name.encode())
    if text_of_it is None:
        return default
    found = whole_number(text_of_it)
    if found is None:
        raise _invalid(f"'{name}' must be a number, 0 or more")
    return found


def whole_number(text: str) -> int | None:
    """The number that a text is; None if it is none, or a very large one."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def text(request: Any) -> str:
    """The text with which the page before ended; empty for the first page.

    Raises:
        SynapseError: it cannot be printed.
    """
    found = _argument(request, b"from") or ""
    if not found.isprintable() or len(found) > _LONGEST_TEXT:
        raise _invalid("'from' must be what the page before gave as 'next'")
    return found


def moment(text: str) -> tuple[int, str]:
    """The time and the Matrix ID with which the page before ended; the latest for the first page.

    Raises:
        SynapseError: that is no end of a page.
    """
    if not text:
        return _LATEST, ""
    time, _, user_id = text.partition(" ")
    if not re.fullmatch("[0-9]{1,15}", time):
        raise invalid_place()
    return int(time), user_id


def after(time: int, entry_id: str) -> str:
    """The `next` of a page that ends with this entry."""
    return f"{time}-{entry_id}"


def _argument(request: Any, name: bytes) -> str | None:
    values = request.args.get(name)
    return values[0].decode("utf-8", "replace") if values else None


def _invalid(text: str) -> SynapseError:
    return SynapseError(400, text, ErrorCodes.INVALID_PARAM)
