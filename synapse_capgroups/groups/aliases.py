"""Keeps aliases (rule 6): shapes each join of a local person before Synapse makes its event."""

import logging
from functools import partial
from typing import Any

from synapse.module_api import JsonDict, LoggingTransaction, ModuleApi, UserID
from synapse.module_api.errors import Codes, SynapseError
from twisted.internet.defer import CancelledError

from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.endings import when_done
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.upgrades import upgrade_under_way
from synapse_capgroups.rules.names import (
    Alias,
    NamedJoin,
    check_text,
    is_choice,
    name_chosen,
    name_kept,
)
from synapse_capgroups.rules.text import MalformedRequest
from synapse_capgroups.storage.aliases import Aliases
from synapse_capgroups.storage.database import Database
from synapse_capgroups.words.lookup import Words

logger = logging.getLogger(__name__)


class AliasKeeper:
    """Gathers the facts for `rules.names` and remembers what people chose."""

    def __init__(self, api: ModuleApi, database: Database, scope: Scope, words: Words) -> None:
        self._api = api
        self._database = database
        self._scope = scope
        self._words = words

    async def named(self, user_id: str, room_id: str, asked: JsonDict | None) -> JsonDict | None:
        """Decide the content of somebody's join of a room.

        Args:
            asked: the content that the client, or Synapse itself, wants.

        Raises:
            SynapseError: 400 if a name is not text; 403 if something broke, since otherwise a
                global name could get into a group.
        """
        try:
            # While a successor is being made, only the room that it replaces can be looked up.
            upgrade = upgrade_under_way.get()
            being_made = upgrade is not None and upgrade.new_room_id == room_id
            known = upgrade.old_room_id if upgrade and being_made else room_id
            group = await self._scope.group(known)
            if group is None:
                return asked
            check_text(asked or {})
            old = group.room_id if being_made else group.predecessor
            return await self._named(user_id, room_id, old, asked)
        except MalformedRequest as e:
            raise SynapseError(400, str(e), Codes.BAD_JSON) from e
        except (SynapseError, CancelledError):
            raise  # A change of the profile is cancelled by the next one.
        except Exception as e:
            logger.exception("Could not look for an alias: %s in %s", user_id, room_id)
            raise SynapseError(
                403, self._words.say("name_unknown"),
                Codes.FORBIDDEN,
            ) from e  # fmt: skip

    async def _named(
        self, user_id: str, room_id: str, predecessor: str | None, asked: JsonDict | None
    ) -> JsonDict | None:
        alias = await self._alias(user_id, room_id, predecessor)
        if alias is None and (asked is None or not asked.keys() & {"membership", "displayname"}):
            return asked  # Nearly all joins.
        key = ("m.room.member", user_id)
        event = (await self._api.get_room_state(room_id, [key])).get(key)
        is_member = event is not None and event.content.get("membership") == "join"
        current = dict(event.content) if event is not None and is_member else None
        if asked is None or not is_choice(asked, is_member=is_member):
            named = name_kept(asked, current, alias)
        else:
            named = name_chosen(asked, current, alias, await self._profile(user_id))
        if named.alias != alias:
            await self._remember(room_id, user_id, alias, named)
        return None if named.content is None else dict(named.content)

    async def _alias(self, user_id: str, room_id: str, predecessor: str | None) -> Alias | None:
        """A person's alias. Members of the predecessor keep theirs."""
        alias = await self._database.look_up("alias", lambda txn: Aliases.of(txn, room_id, user_id))
        if alias is not None or predecessor is None:
            return alias
        old = predecessor

        def bring(txn: LoggingTransaction) -> Alias | None:
            if Memberships.is_member(txn, room_id, user_id):
                return None  # They cleared it here after they had come.
            alias = Aliases.of(txn, old, user_id)
            if alias is not None:
                Aliases.set(txn, room_id, user_id, alias)
            return alias

        return await self._database.run("alias", bring)

    async def _remember(
        self, room_id: str, user_id: str, before: Alias | None, named: NamedJoin
    ) -> None:
        """Store an alias before its event is made, and restore the old one if the event fails.

        Afterwards would be too late: Synapse may be changing the profile in all rooms just now.
        """

        def note(txn: LoggingTransaction, alias: Alias | None) -> None:
            Aliases.set(txn, room_id, user_id, alias)

        async def done(succeeded: bool, _: Any) -> None:
            if not succeeded:
                await self._database.run("alias", partial(note, alias=before))

        await self._database.run("alias", partial(note, alias=named.alias))
        when_done(done)

    async def _profile(self, user_id: str) -> Alias:
        localpart = UserID.from_string(user_id).localpart
        profile = await self._api.get_profile_for_user(localpart)
        return Alias(profile.display_name or localpart, profile.avatar_url)


async def choose_name(api: ModuleApi, room_id: str, user_id: str, name: str) -> None:
    """Give a member the name that they chose for a group; an empty name clears it.

    Their picture in the group stays as it is. The content must say so: otherwise `ModuleApi` would
    add the account's picture.

    Raises:
        SynapseError: Synapse refuses the member's event, as it would from a client.
    """
    key = ("m.room.member", user_id)
    event = (await api.get_room_state(room_id, [key])).get(key)
    shown = event.content.get("avatar_url") if event is not None else None
    content: JsonDict = {"membership": "join", "displayname": name}
    if name or isinstance(shown, str):
        content["avatar_url"] = shown if isinstance(shown, str) else None
    await api.update_room_membership(user_id, user_id, room_id, "join", content)
