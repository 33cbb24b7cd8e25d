"""Remembers for a second what was answered about a code."""

from collections import OrderedDict
from typing import Any

_MOMENT_MS = 1000
_REMEMBERED = 100  # An answer can have 90 kB: a picture.


class Glances:
    """The last answers. Many people in front of one poster ask for the same code.

    An answer is at most a second old, and not older than the last change that this process made to
    any code. A change on another worker shows a second later.
    """

    def __init__(self) -> None:
        self._answers: OrderedDict[str, tuple[int, int, dict[str, Any]]] = OrderedDict()

    def last(self, secret: str, now: int, changes: int) -> dict[str, Any] | None:
        """The answer, if it is fresh.

        Args:
            now: milliseconds since 1970.
            changes: how many changes there were in this process so far.
        """
        found = self._answers.get(secret)
        if found is None:
            return None
        at, changes_then, answer = found
        fresh = 0 <= now - at < _MOMENT_MS and changes == changes_then
        return answer if fresh and now < answer["expires_at"] else None

    def remember(self, secret: str, now: int, changes: int, answer: dict[str, Any]) -> None:
        """Remember an answer. `changes` is the count from before it was made."""
        self._answers[secret] = now, changes, answer
        self._answers.move_to_end(secret)
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
