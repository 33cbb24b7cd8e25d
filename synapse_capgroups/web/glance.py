"""What was answered a moment ago to somebody who looked at the same code."""

from collections import OrderedDict
from typing import Any

_MOMENT_MS = 1000
_REMEMBERED = 100  # An answer can have 90 kB: a picture.


class Glances:
    """A crowd before one poster asks the same thing again and again.

    An answer is at most a second old, and not older than the last change that this process made to
    any code; another worker's change is seen a second later.
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
        """Note an answer. `changes` is the count from before it was looked for."""
        self._answers[secret] = now, changes, answer
        self._answers.move_to_end(secret)
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
