"""Pages of lists: the parameters `from` and `limit`, and `next` in the answer."""

import re
from typing import Any

from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

_DEFAULT = 50
_MOST = 100
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


def after(time: int, entry_id: str) -> str:
    """The `next` of a page that ends with this entry."""
    return f"{time}-{entry_id}"


def _argument(request: Any, name: bytes) -> str | None:
    values = request.args.get(name)
    return values[0].decode("utf-8", "replace") if values else None


def _invalid(text: str) -> SynapseError:
    return SynapseError(400, text, ErrorCodes.INVALID_PARAM)
