"""What a command is given, and what it gives back when it cannot be carried out."""

from collections.abc import Awaitable, Callable, Mapping

import attrs


@attrs.frozen
class Asked:
    """A command that a person wrote in their chat.

    Attributes:
        rest: what follows the command's word.
    """

    room_id: str
    user_id: str
    rest: str


Answer = Callable[[Asked], Awaitable[str]]
"""Carries out a command and returns what to say."""


class Misunderstanding(Exception):
    """A command cannot be carried out; the text is the answer."""


def sorry(words: Mapping[str, str], key: str, **values: object) -> Misunderstanding:
    """The answer with this key, to be raised."""
    return Misunderstanding(words[key].format(**values))
