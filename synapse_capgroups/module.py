"""The module as Synapse sees it: which callback asks which rule.

Every callback here has the same shape. It passes at once what is no group's business, asks a rule,
and answers through `Answers`. None of them runs when a message is sent: `check_event_allowed` and
`on_new_event` would make Synapse load the state of every room for every event, so they are never
registered (rule 9).
"""

import logging
from functools import partial
from typing import Any, Literal

from synapse.module_api import (
    NOT_SPAM,
    EventBase,
    JsonDict,
    LoggingTransaction,
    ModuleApi,
)
from synapse.module_api.errors import Codes, ConfigError

from synapse_capgroups import lifecycle as chores
from synapse_capgroups.admission.code_states import CodeStates
from synapse_capgroups.admission.contacts import Contacts
from synapse_capgroups.admission.deciding import Deciding
from synapse_capgroups.admission.decision import JoinDecision
from synapse_capgroups.admission.direct_record import is_created_as_direct
from synapse_capgroups.admission.holds import Holds
from synapse_capgroups.admission.inviting import Inviting
from synapse_capgroups.admission.presence import Presence
from synapse_capgroups.admission.record import Record
from synapse_capgroups.admission.settling import Settling
from synapse_capgroups.admission.ways import ByInvitation
from synapse_capgroups.callbacks.answers import (
    Answer,
    Answers,
    raise_refusal,
    refused,
)
from synapse_capgroups.codes.cards import Cards
from synapse_capgroups.codes.dead_ends import DeadEnds
from synapse_capgroups.codes.door_rooms import DoorRooms, is_like_a_code
from synapse_capgroups.codes.doors import Doors
from synapse_capgroups.codes.life import POWER_LEVELS, TOMBSTONE, CodeLife
from synapse_capgroups.codes.personal import PersonalCodes
from synapse_capgroups.codes.previews import Previews
from synapse_capgroups.codes.sharing import CodePictures, Sharing
from synapse_capgroups.concierge.account import ConciergeAccount
from synapse_capgroups.concierge.chat_care import ChatCare
from synapse_capgroups.concierge.chat_guard import ChatGuard
from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.concierge.commands import all_commands
from synapse_capgroups.concierge.conversation import Concierge
from synapse_capgroups.config import Config, ConfigurationError
from synapse_capgroups.groups import lobbies
from synapse_capgroups.groups.aliases import AliasKeeper
from synapse_capgroups.groups.breaches import Breaches
from synapse_capgroups.groups.members import Members
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside import probe
from synapse_capgroups.inside.addresses import (
    AddressWanted,
    ListingWanted,
    directory_request,
    watch_directory,
)
from synapse_capgroups.inside.authority import acts_for_server
from synapse_capgroups.inside.creations import why_no_event
from synapse_capgroups.inside.endings import watch_endings, when_done
from synapse_capgroups.inside.logs import keep_out_of_logs
from synapse_capgroups.inside.membership_changes import (
    MembershipChange,
    membership_change,
    shape_joins,
    watch_memberships,
)
from synapse_capgroups.inside.registration import watch_sanctions
from synapse_capgroups.inside.remote_joins import judged_remote_join, watch_remote_joins
from synapse_capgroups.inside.shutdowns import makes_notice_room, watch_shutdowns
from synapse_capgroups.inside.start import allows_per_room_profiles
from synapse_capgroups.inside.tables.directory import DirectoryTables
from synapse_capgroups.inside.upgrades import upgrade_under_way, watch_upgrades
from synapse_capgroups.inside.user_search import filter_user_search
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.people.forgetting import Forgetter
from synapse_capgroups.people.random_ids import random_ids
from synapse_capgroups.people.user_directory import MOST_LOOKED_AT, UserDirectory
from synapse_capgroups.rules import creation, seclusion
from synapse_capgroups.rules.scope import Group, about
from synapse_capgroups.rules.text import MalformedRequest
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Verdict
from synapse_capgroups.storage.database import Database
from synapse_capgroups.telemetry import journal
from synapse_capgroups.telemetry.redaction import IN_ITS_PLACE, SECRET_IN_TEXT
from synapse_capgroups.web import serve as web
from synapse_capgroups.web.api import Api
from synapse_capgroups.web.calls import Callers
from synapse_capgroups.web.code_calls import CodeCalls
from synapse_capgroups.web.group_calls import GroupCalls
from synapse_capgroups.web.preview_call import PreviewCall
from synapse_capgroups.words import refusals as words
from synapse_capgroups.words.refusal_fields import refusal_fields
from synapse_capgroups.words.spoken import LANGUAGES

logger = logging.getLogger(__name__)


class CapGroups:
    """The module. Its configuration is described in homeserver.sample.yaml."""

    def __init__(self, config: Config, api: ModuleApi) -> None:
        probe.require_once(api)
        probe.require_synapse(api)
        self._api = api
        self._database = Database(api)
        concierge = api.get_qualified_user_id(config.concierge)
        self._scope = Scope(api, self._database, config.exempt, concierge)
        holds = Holds(api, self._database)
        self._contacts = Contacts(api, self._database, config.verified_contact)
        self._deciding = Deciding(api, self._database, holds, config)
        self._settling = Settling(api, self._database, holds, config)
        self._inviting = Inviting(api, self._database, config)
        self._record = Record(api, self._database, config)
        presence = Presence(api, self._database)
        states = CodeStates(api, self._database, config)
        limits = RateLimits(api)
        said = LANGUAGES[config.language]
        rooms = DoorRooms(api, concierge, said)
        personal = PersonalCodes(api, self._database, self._contacts, limits, config)
        self._dead_ends = DeadEnds(api, self._database, self._scope, concierge, said)
        life = CodeLife(
            api, self._database, self._scope, states, rooms, personal, self._dead_ends,
            config.codes,
        )  # fmt: skip
        self._doors = Doors(
            api, self._database, self._scope, self._deciding, self._settling, presence, rooms,
            personal, life, limits, concierge, config,
        )  # fmt: skip
        self._answers = Answers(config.enforce)
        self._enforce = config.enforce
        self._breaches = Breaches(api, self._scope)
        watch_directory(api, self._guard_address)
        if config.names.keep and config.enforce:
            shape_joins(api, AliasKeeper(api, self._database, self._scope).named)
        if not allows_per_room_profiles(api):
            logger.warning(
                "synapse-capgroups: Synapse's `allow_per_room_profiles` is false, so nobody can "
                "have a name of their own in a group; take it out of homeserver.yaml"
            )
        if config.names.random_ids and config.enforce:
            random_ids(api)
        if config.directory.users == "friends" and config.enforce:
            shown = UserDirectory(api, self._database).shown
            filter_user_search(api, MOST_LOOKED_AT, shown)
        watch_memberships(api, self._membership_changes, self._membership_changed)
        watch_endings(api)
        watch_upgrades(api)
        watch_sanctions(api, life.sanctioned)
        watch_shutdowns(api, self._scope.note_server_room)
        lobbies.warn(api, config.exempt)
        watch_remote_joins(api, self._remote_join)
        keep_out_of_logs(SECRET_IN_TEXT, IN_ITS_PLACE)
        api.register_spam_checker_callbacks(
            user_may_join_room=self.user_may_join_room,
            user_may_invite=self.user_may_invite,
            user_may_send_3pid_invite=self.user_may_send_3pid_invite,
            user_may_create_room=self.user_may_create_room,
            user_may_send_state_event=self.user_may_send_state_event,
            user_may_create_room_alias=self.user_may_create_room_alias,
            user_may_publish_room=self.user_may_publish_room,
            check_event_for_spam=self.check_event_for_spam,
        )
        self._forgetter = Forgetter(api, self._database, self._doors, config.record, concierge)
        api.register_third_party_rules_callbacks(
            on_create_room=self.on_create_room,
            on_user_deactivation_status_changed=self.on_user_deactivation_status_changed,
        )
        cards = Cards(api, self._doors, personal, said)
        members = Members(api, self._database, self._scope, presence, config.limits)
        sharing = Sharing(self._database, members, self._doors)
        pictures = CodePictures(sharing, cards, limits)
        self._chats = ConciergeChats(api, self._database, limits, concierge, said)
        self._chat_guard = ChatGuard(api, self._scope, self._chats, enforce=config.enforce)
        chat_care = ChatCare(api, self._database, self._scope, self._chats)
        answers = all_commands(api, self._chats, members, sharing, pictures, config)
        self._concierge = Concierge(api, self._chats, limits, answers, config)
        if config.enforce:  # In a trial there is nothing to see (rule 16).
            callers = Callers(api, limits, members)
            previews = Previews(api, self._database, self._doors, rooms, personal)
            http_api = Api(
                PreviewCall(api, limits, previews, config),
                GroupCalls(callers, members),
                CodeCalls(callers, sharing, pictures, config),
            )
            web.serve(api, http_api, config.codes.element_url)
        account = ConciergeAccount(api, self._database, concierge, enforce=config.enforce)
        chores.start(api, self._database, self._doors, account, chat_care, self._forgetter)

    @staticmethod
    def parse_config(config: JsonDict) -> Config:
        """Called by Synapse at start.

        Raises:
            ConfigError: the configuration cannot be used; Synapse does not start.
        """
        try:
            return Config.from_yaml(config)
        except ConfigurationError as e:
            raise ConfigError(str(e), path=(e.path,)) from e

    async def user_may_join_room(self, user_id: str, room_id: str, is_invited: bool) -> Answer:
        """Rules 2 and 4. Also asked for each name or avatar change of a member."""
        change = membership_change.get()
        if change is not None and change.action == "join" and change.sender != user_id:
            # Nobody joins in another's name, and Synapse says so, but only after it has asked here.
            # A seat would be reserved for somebody who never asked, or a code's door bring them in.
            return NOT_SPAM
        decide = partial(self._join, user_id, room_id, is_invited)
        return await self._answers.give("join", words.JOINING, decide, group=room_id, user=user_id)

    async def _remote_join(self, user_id: str, room_id: str) -> None:
        """The same for a person of another server who joins through this one."""
        await self._refuse_at_dead_ends(room_id, user_id)
        raise_refusal(await self.user_may_join_room(user_id, room_id, False))

    async def _join(self, user_id: str, room_id: str, is_invited: bool) -> Verdict | None:
        if await self._scope.is_concierges(room_id):
            out = self._chat_guard.keeps_out(room_id, user_id)
            return out or await self._doors.enter(room_id, user_id, is_invited=is_invited)
        group = await self._scope.group(room_id)
        if group is None:
            return None
        decision = await self._doors.accept(group, user_id)
        if decision is None:
            decision = await self._deciding.enter(group, user_id, ByInvitation(is_invited))
        if decision.admission and not when_done(partial(self._join_ended, decision)):
            self._settling.abandon(decision)
        return group.concerned(decision.verdict)

    async def _join_ended(self, decision: JoinDecision, succeeded: bool, _: Any) -> None:
        if await self._settling.settle(decision, joined=succeeded):
            self._doors.clear_up_soon()

    async def _membership_changes(self, change: MembershipChange) -> None:
        """Before a membership changes, for what no callback of Synapse's is asked about.

        Raises:
            SynapseError: it must not.
        """
        if (refusal := await self._chat_guard.refusal(change)) is not None:
            journal.refused(
                refusal, enforced=True, decision=change.action, group=change.room_id,
                user=change.target, by=change.sender,
            )  # fmt: skip
            audience = words.INVITING if change.action == "invite" else words.JOINING
            raise_refusal((Codes.FORBIDDEN, refusal_fields(refusal, audience)))
        if change.action == "join":
            await self._refuse_at_dead_ends(change.room_id, change.target)
        if change.action == "join" and change.sender == change.target and not change.new_room:
            decide = partial(self._join_unasked, change)
            raise_refusal(
                await self._answers.give(
                    "door", words.JOINING, decide, group=change.room_id, user=change.target
                )
            )

    async def _join_unasked(self, change: MembershipChange) -> Verdict | None:
        if await self._scope.is_concierges(change.room_id):
            return await self._doors.enter_unasked(change)
        return None

    async def _refuse_at_dead_ends(self, room_id: str, user_id: str) -> None:
        """Rule 5: nobody joins there, server admins included, and not in a trial either."""
        refusal = await self._dead_ends.refusal(room_id, user_id)
        if refusal is not None:
            raise_refusal((Codes.FORBIDDEN, refusal_fields(refusal, words.JOINING)))

    async def _membership_changed(self, change: MembershipChange) -> None:
        """A membership has changed. Synapse still holds the room's lock: nothing here may wait."""
        if change.action in ("leave", "kick", "ban"):
            self._doors.life.left_soon(change.room_id, change.target)
        self._chat_guard.changed_soon(change)

    async def user_may_invite(self, inviter: str, invitee: str, room_id: str) -> Answer:
        """Rule 2: an invitation that could only fail is refused when it is sent."""

        async def decide() -> Verdict | None:
            group = await self._scope.group(room_id)
            if group is None:
                return None
            return group.concerned(await self._inviting.invitation(group, inviter, invitee))

        if invitee == self._chats.user_id:
            return NOT_SPAM  # It declines, and takes no seat.
        if await self._by_server_admin():
            return NOT_SPAM
        return await self._answers.give(
            "invitation", words.INVITING, decide, group=room_id, user=invitee, by=inviter
        )

    async def _by_server_admin(self) -> bool:
        """Whether a server admin acts in somebody else's name, as in `make_room_admin`."""
        change = membership_change.get()
        if change is None or change.authority in (change.sender, self._api.server_name):
            return False
        return await self._api.is_user_admin(change.authority)

    async def user_may_send_3pid_invite(
        self, inviter_userid: str, medium: str, address: str, room_id: str
    ) -> Answer:
        """The same for an e-mail address or phone number that belongs to no account yet."""

        async def decide() -> Verdict | None:
            group = await self._scope.group(room_id)
            if group is None:
                return None
            return group.concerned(await self._inviting.address_invitation(group, inviter_userid))

        return await self._answers.give(
            "invitation", words.INVITING, decide, group=room_id, by=inviter_userid
        )

    async def on_create_room(self, requester: Any, config: JsonDict, is_admin: bool) -> None:
        """Rule 1, before anything of the room exists."""
        creator = requester.user.to_string()
        name = config.get("room_alias_name")
        if self._enforce and creator != self._chats.user_id and is_like_a_code(str(name)):
            raise_refusal(refused(Reason.NO_ADDRESSES, words.ADDRESSING_LIKE_A_CODE))
        if makes_notice_room(creator):
            when_done(self._notice_room_made)
            return
        by_server = is_admin or await acts_for_server(self._api, requester)
        address = seclusion.address(config, self._api.server_name) if by_server else None
        is_group = False

        async def decide() -> Verdict | None:
            nonlocal is_group
            kind = config.get("creation_content")
            is_group = await self._scope.would_be_group(creator, kind, address)
            if not is_group:
                return None
            if self._enforce and not is_admin:
                self._check_shape(config)
            verdict = seclusion.decide_creation(config)
            if verdict == ALLOWED and not is_admin:
                verdict = await self._contacts.creation(creator)
            if verdict == ALLOWED:
                verdict = await self._inviting.creation_invitations(
                    creator, seclusion.invitees(config), seclusion.address_invitations(config)
                )
            return about(kind, verdict)

        raise_refusal(await self._answers.give("creation", words.CREATING, decide, user=creator))
        if not is_group:
            return
        if self._enforce:
            config["initial_state"] = seclusion.closed_to_guests(config)
        # A group of two disturbs nobody with the concierge.
        when_done(
            partial(
                self._created,
                creator,
                greet=not config.get("is_direct"),
                on_record=not is_created_as_direct(config),
            )
        )

    def _check_shape(self, config: JsonDict) -> None:
        """Before anything of a room exists: what Synapse would stumble over half way.

        Raises:
            MalformedRequest: with a sentence that says what to mend.
        """
        creation.check_shape(config)
        for event in creation.events(config):
            if wrong := why_no_event(self._api, *event):
                raise MalformedRequest(wrong)

    async def _notice_room_made(self, succeeded: bool, room: tuple[str, Any, Any]) -> None:
        if succeeded:
            await self._scope.note_server_room(room[0])

    async def _created(
        self,
        creator: str,
        succeeded: bool,
        room: tuple[str, Any, Any],
        *,
        greet: bool,
        on_record: bool,
    ) -> None:
        if not succeeded:
            return
        if on_record:
            await self._record.created(
                Group(room[0], creator, self._api.get_current_time_msec()),
            )
        if greet and self._enforce:
            self._chats.greet_soon(creator)

    async def on_user_deactivation_status_changed(
        self, user_id: str, deactivated: bool, by_admin: bool
    ) -> None:
        """Rule 15. Who is reactivated begins anew. Synapse logs what is raised here."""
        if deactivated:
            await self._forgetter.deactivated(user_id)

    async def check_event_for_spam(self, event: EventBase) -> Literal["NOT_SPAM"]:
        """Lets the concierge hear what people write to it, doors of joins on other servers, and
        codes of what may end them.

        Every other event passes at once, and none is ever refused.
        """
        if self._concierge.hears(event):
            self._concierge.answer_soon(event)
        elif self._enforce and self._breaches.may_be(event):
            self._breaches.look_soon(event)
        elif self._is_remote_join(event):
            try:
                await self._doors.overhear(event.room_id, event.sender)
            except Exception:
                logger.exception("Could not mind the join of %s in %s", event.sender, event.room_id)
        elif event.type in (POWER_LEVELS, TOMBSTONE) or self._is_remote_removal(event):
            self._doors.life.watch_soon(event)
        return NOT_SPAM

    def _is_remote_removal(self, event: EventBase) -> bool:
        """Whether a person of another server removes one of this server, or claims to."""
        return (
            event.type == "m.room.member"
            and event.content.get("membership") in ("leave", "ban")
            and not self._api.is_mine(event.sender)
            and self._api.is_mine(event.state_key)
        )

    def _is_remote_join(self, event: EventBase) -> bool:
        """Whether a person of another server joins in a way that `_remote_join` is not asked of."""
        return (
            event.type == "m.room.member"
            and event.content.get("membership") == "join"
            and not self._api.is_mine(event.sender)
            and judged_remote_join.get() != (event.sender, event.room_id)
        )

    async def user_may_create_room(self, creator: str, config: JsonDict) -> Answer:
        """Room upgrades, which `on_create_room` does not see: the successor is a group too."""

        old = seclusion.predecessor(config)
        if old is None:
            return NOT_SPAM  # `on_create_room` has decided.
        if await self._scope.is_concierges(old):
            # Only a server admin who gave themselves the power gets here. It would take the door's
            # address along.
            return refused(Reason.NO_ADDRESSES, words.ADDRESSING_A_DOOR)
        upgrade = upgrade_under_way.get()
        rooms = [old, upgrade.new_room_id] if upgrade else [old]

        async def decide() -> Verdict | None:
            kind = config.get("creation_content")
            if not await self._scope.would_be_group(creator, kind):
                return None
            verdict = seclusion.decide_creation(config)
            if verdict != ALLOWED:
                return about(kind, verdict)

            def succession(txn: LoggingTransaction) -> Verdict:
                # The successor was made as the old room was then, which may have changed since.
                return seclusion.decide_succession(
                    listed=any(DirectoryTables.is_listed(txn, room) for room in rooms),
                    has_address=DirectoryTables.has_address(txn, old),
                )

            return about(kind, await self._database.run("succession", succession))

        answer = await self._answers.give("creation", words.CREATING, decide, user=creator)
        if upgrade and answer == NOT_SPAM:
            when_done(partial(self._upgraded, creator, upgrade.new_room_id))
            when_done(partial(self._replaced, upgrade.old_room_id))
        return answer

    async def _replaced(self, room_id: str, succeeded: bool, _: Any) -> None:
        """Rule 5: codes die with the upgrade of their group."""
        if succeeded:
            await self._doors.life.replaced(room_id)

    async def _upgraded(self, creator: str, room_id: str, succeeded: bool, _: Any) -> None:
        """Rule 1: Synapse opens each successor to guests, unless the old room says otherwise."""
        key = (seclusion.GUEST_ACCESS, "")
        if not succeeded or not self._enforce or await self._scope.group(room_id) is None:
            return
        now = (await self._api.get_room_state(room_id, [key])).get(key)
        if now and seclusion.decide_state(seclusion.GUEST_ACCESS, now.content) != ALLOWED:
            await self._api.create_and_send_event_into_room(
                {
                    "type": seclusion.GUEST_ACCESS,
                    "state_key": "",
                    "room_id": room_id,
                    "sender": creator,
                    "content": {"guest_access": "forbidden"},
                }
            )

    async def user_may_send_state_event(
        self, user_id: str, room_id: str, event_type: str, state_key: str, content: JsonDict
    ) -> Answer:
        """Rule 1, for a room that exists."""
        if event_type not in seclusion.SECLUDING:
            return NOT_SPAM

        async def decide() -> Verdict | None:
            return await self._for_group(room_id, seclusion.decide_state(event_type, content))

        answer = await self._answers.give(
            "state", words.CREATING, decide, group=room_id, user=user_id, type=event_type
        )
        # Of this callback alone Synapse takes an error code but no sentence
        # (`SpamCheckerModuleApiCallbacks.user_may_send_state_event`); an exception carries both.
        raise_refusal(answer)
        return NOT_SPAM

    async def user_may_create_room_alias(self, user_id: str, alias: Any) -> Answer:
        """Rule 1: a group has no address. Nobody gets out of the rules by an exempt one."""
        wanted = directory_request.get()
        room_id, by_server = None, False
        if isinstance(wanted, AddressWanted):
            room_id, by_server = wanted.room_id, wanted.by_server

        async def decide() -> Verdict | None:
            if self._scope.is_exempt_address(alias.to_string()):
                return None if by_server else seclusion.decide_address()
            if room_id is None:  # Called from where we do not know: the safe answer.
                return seclusion.decide_address()
            return await self._for_group(room_id, seclusion.decide_address())

        return await self._answers.give(
            "address", words.CREATING, decide, group=room_id, user=user_id
        )

    async def _guard_address(self, address: str, room_id: str) -> None:
        """Rule 5: a door has one address, the secret one, and no other room has one like it.

        Raises:
            SynapseError: nobody may have this address for this room, not even a server admin.
        """
        if await self._scope.is_concierges(room_id):
            raise_refusal(refused(Reason.NO_ADDRESSES, words.ADDRESSING_A_DOOR))
        if self._enforce and is_like_a_code(address):
            raise_refusal(refused(Reason.NO_ADDRESSES, words.ADDRESSING_LIKE_A_CODE))

    async def user_may_publish_room(self, user_id: str, room_id: str) -> Answer:
        """Rule 1: the directory never shows a group, and can always stop showing a room."""
        wanted = directory_request.get()
        listed = wanted.listed if isinstance(wanted, ListingWanted) else True

        async def decide() -> Verdict | None:
            return await self._for_group(room_id, seclusion.decide_listing(wanted=listed))

        return await self._answers.give(
            "listing", words.CREATING, decide, group=room_id, user=user_id
        )

    async def _for_group(self, room_id: str, verdict: Verdict) -> Verdict | None:
        """The verdict, if the room is a group. Other rooms may do as they like."""
        if verdict == ALLOWED:
            return verdict
        group = await self._scope.group(room_id)
        return None if group is None else group.concerned(verdict)
