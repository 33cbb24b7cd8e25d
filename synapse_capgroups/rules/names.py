"""Rule 6: aliases stay. What becomes of a `m.room.member` content that somebody's join asks for.

A change of the global profile, and a repeated join, reach every room as a join that asks for no
name. A name that somebody chose comes as a state event of their own.
"""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs

from synapse_capgroups.rules.text import MalformedRequest, is_text

LOOK = ("displayname", "avatar_url")


@attrs.frozen
class Alias:
    """What somebody is called in one group, and looks like there."""

    displayname: str
    avatar_url: str | None = None


@attrs.frozen
class NamedJoin:
    """A join with the content it shall have.

    Attributes:
        content: for `m.room.member`; None is what Synapse makes of the global profile.
        alias: the person's alias from now on, None if they have none.
    """

    content: Mapping[str, Any] | None
    alias: Alias | None


def is_choice(asked: Mapping[str, Any] | None, *, is_member: bool) -> bool:
    """Whether the person says with this join what they want to be called.

    Only a state event names its membership (Element's `/myroomnick`). A client may also name
    somebody in their very first join.
    """
    if asked is None:
        return False
    return asked.get("membership") == "join" or (not is_member and "displayname" in asked)


def name_kept(
    asked: Mapping[str, Any] | None, current: Mapping[str, Any] | None, alias: Alias | None
) -> NamedJoin:
    """A join that is no choice: an alias stays as it is.

    Args:
        current: the content of the person's `m.room.member` if they are a member. With it repeated
            to the letter there is no new event at all.
    """
    if alias is None:
        return NamedJoin(asked, None)
    if current is not None:
        return NamedJoin(current, alias)
    look = {"displayname": alias.displayname, "avatar_url": alias.avatar_url}
    return NamedJoin({**(asked or {}), **look}, alias)


def name_chosen(
    asked: Mapping[str, Any],
    current: Mapping[str, Any] | None,
    alias: Alias | None,
    profile: Alias,
) -> NamedJoin:
    """A join that is a choice: of an alias, or of the global name, which lets changes through.

    Args:
        profile: the person's global name and avatar.

    Raises:
        MalformedRequest: the name or the avatar is no text.
    """
    for key in LOOK:
        if not isinstance(asked.get(key), str | None):
            raise MalformedRequest(f"'{key}' must be a string")
    name = asked.get("displayname")
    if name and name != profile.displayname:
        # Who gives a name alone keeps their looks; Synapse would add those of the profile.
        avatar = asked["avatar_url"] if "avatar_url" in asked else (current or {}).get("avatar_url")
        chosen = Alias(name, avatar)
        return NamedJoin({**asked, "avatar_url": avatar}, chosen)
    # What is left out Synapse takes from the profile, if it has it.
    content = dict(asked)
    if not name:
        content.pop("displayname", None)
    if alias and asked.get("avatar_url") == alias.avatar_url:
        content.pop("avatar_url", None)
    return NamedJoin(content, None)


def check_text(asked: Mapping[str, Any]) -> None:
    """Make sure that a name or an avatar can be stored.

    Raises:
        MalformedRequest: one cannot.
    """
    for key in LOOK:
        if isinstance(text := asked.get(key), str) and not is_text(text):
            raise MalformedRequest(f"'{key}' has text that cannot be stored")


def pseudonym(
    words: tuple[Sequence[str], Sequence[str]],
    pattern: str,
    taken: Collection[str],
    choose: Callable[[Sequence[str]], str] = secrets.choice,
) -> str:
    """A friendly name that nobody in the group has.

    Args:
        words: adjectives and nouns.
        pattern: how the two stand together, such as `{adjective} {noun}`.
        taken: the names that are in use.
    """
    used = {name.casefold() for name in taken}
    for _ in range(50):
        name = pattern.format(adjective=choose(words[0]), noun=choose(words[1]))
        if name.casefold() not in used:
            return name
    number = 2
    while f"{name} {number}".casefold() in used:
        number += 1
    return f"{name} {number}"
