"""What a command is given, and what it gives back when it cannot be carried out."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from synapse_capgroups.rules.verdict import Refusal
from synapse_capgroups.words.lookup import Audience, Words


@attrs.frozen
class Asked:
    """A command that a person wrote in their chat.

    Attributes:
        rest: what follows the command's word.
        content: of the whole message, in which there may be more commands.
    """

    room_id: str
    user_id: str
    rest: str
    content: Mapping[str, Any] = attrs.field(factory=dict)


FORWARDED = "forwarded file"
"""What stands for the word of a message that is a picture or a file. Nobody can write it."""

Answer = Callable[[Asked], Awaitable[str]]
"""Carries out a command and returns what to say."""


class Misunderstanding(Exception):
    """A command cannot be carried out; the text is the answer."""


def sorry(words: Words, key: str, **values: object) -> Misunderstanding:
    """The answer with this key, to be raised."""
    return Misunderstanding(words.say(key, **values))


def refused(words: Words, refusal: Refusal) -> Misunderstanding:
    """A refusal as a member who shares codes reads it, to be raised."""
    return Misunderstanding(words.refusal(refusal, Audience.SHARING))
