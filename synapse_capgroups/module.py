"""The wiring: which part of the module needs which, and which callback of Synapse goes where.

`check_event_allowed` and `on_new_event` are never registered: because of them, Synapse would load
the state of every room for every event (rule 9).
"""

from synapse.module_api import JsonDict, ModuleApi
from synapse.module_api.errors import ConfigError

from synapse_capgroups.admission.assembly import assemble_admission
from synapse_capgroups.admission.holds import Holds
from synapse_capgroups.callbacks.answers import Answers
from synapse_capgroups.callbacks.creating import Creating, Successors, Upgrading
from synapse_capgroups.callbacks.federating import Federating
from synapse_capgroups.callbacks.inviting import Inviting
from synapse_capgroups.callbacks.joining import GroupJoins, Joining, Unasked
from synapse_capgroups.callbacks.listening import Deactivations, FromAfar, Listening
from synapse_capgroups.callbacks.secluding import Secluding
from synapse_capgroups.codes.assembly import assemble
from synapse_capgroups.concierge.parts import assemble_concierge
from synapse_capgroups.config import Config, ConfigurationError
from synapse_capgroups.deeds import assemble_deeds
from synapse_capgroups.federation.guard import assemble_guard
from synapse_capgroups.groups import lobbies
from synapse_capgroups.groups.aliases import AliasKeeper
from synapse_capgroups.groups.breaches import Breaches
from synapse_capgroups.groups.creation import Creations
from synapse_capgroups.groups.members import Members
from synapse_capgroups.groups.names import warn_if_there_are_no_names
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside import probe
from synapse_capgroups.inside.addresses import watch_directory
from synapse_capgroups.inside.endings import watch_endings
from synapse_capgroups.inside.invited_joins import join_invited
from synapse_capgroups.inside.logs import keep_out_of_logs
from synapse_capgroups.inside.membership_changes import shape_joins, watch_memberships
from synapse_capgroups.inside.online import keep_offline
from synapse_capgroups.inside.power_levels import watch_power_levels
from synapse_capgroups.inside.registration import watch_sanctions
from synapse_capgroups.inside.remote_joins import watch_remote_joins
from synapse_capgroups.inside.shutdowns import watch_shutdowns
from synapse_capgroups.inside.upgrades import watch_upgrades
from synapse_capgroups.lifecycle.forgetting import Forgetter
from synapse_capgroups.lifecycle.starting import Start
from synapse_capgroups.lifecycle.sweeping import Sweeping
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.people.random_ids import random_ids
from synapse_capgroups.people.user_directory import show_only_friends
from synapse_capgroups.report.trial_counts import count_trial
from synapse_capgroups.series.assembly import assemble_series
from synapse_capgroups.storage.database import Database
from synapse_capgroups.telemetry.redaction import IN_ITS_PLACE, SECRET_IN_TEXT
from synapse_capgroups.web import serve as web


class CapGroups:
    """The module. Its configuration is described in homeserver.sample.yaml."""

    def __init__(self, config: Config, api: ModuleApi) -> None:
        probe.require_once(api)
        probe.require_synapse(api)  # Before anything is wrapped, or it would find the wrappers.

        # The parts, from the lowest up.
        enforce, said = config.enforce, config.words
        me = api.get_qualified_user_id(config.concierge)
        database, limits = Database(api), RateLimits(api, said)
        answers = Answers(enforce, said, count_trial(api, database, enforce=enforce))
        scope, holds = Scope(api, database, config.exempt, me), Holds(api, database)
        guard = assemble_guard(api, database, scope, holds, config)
        admission = assemble_admission(api, database, holds, config)
        members = Members(api, database, scope, admission.presence, config.limits)
        series = assemble_series(api, database, scope, admission.deciding, config)
        codes = assemble(
            api, database, scope, admission, members, limits, series.filling, me, guard, config
        )
        deeds = assemble_deeds(
            api, database, scope, limits, admission, members, codes, series, config
        )
        concierge = assemble_concierge(api, database, scope, limits, deeds, admission.bell, config)
        forgetter = Forgetter(api, database, deeds.helpdesk.forgetting, config.record.keep)

        # The questions of Synapse's.
        group_joins = GroupJoins(codes.remote_joins, admission.deciding, codes.outcomes)
        joining = Joining(answers, scope, concierge.guard, codes.doors, group_joins)
        unasked = Unasked(answers, joining, concierge.guard, codes.deaths, codes.dead_ends)
        inviting = Inviting(api, answers, scope, admission.invitations)
        creations = Creations(api, database, admission, config)
        creating = Creating(api, answers, scope, creations, concierge.chats)
        successors = Successors(database, codes.deaths, series.tending)
        upgrading = Upgrading(api, database, answers, scope, successors)
        secluding = Secluding(answers, scope)
        breaches = Breaches(api, scope, enforce=enforce)
        federating = Federating(api, answers, scope, guard)
        afar = FromAfar(codes.remote_entry, federating)
        listening = Listening(api, concierge.hears, breaches, afar, codes.deaths)
        deactivations = Deactivations(deeds.helpdesk.forgetting)

        # What no callback tells is heard by wrapping methods of Synapse's. Who wraps a method last
        # runs first: an alias is noted within the ending that takes it back if the join fails, so
        # `shape_joins` comes before `watch_endings`.
        watch_directory(api, secluding.guard_address)
        if config.names.keep and enforce:
            shape_joins(api, AliasKeeper(api, database, scope, said).named)
        watch_memberships(api, unasked, federating)
        join_invited(api)
        watch_endings(api)
        watch_upgrades(api, federating.creators)
        watch_sanctions(api, codes.deaths.sanctioned)
        watch_shutdowns(api, scope.note_server_room)
        watch_remote_joins(api, unasked.remote_join, federating.exchanged)
        if guard:
            watch_power_levels(api, guard.levels.send)
        if config.directory.users == "friends" and enforce:
            show_only_friends(api, database)
        keep_offline(api, me)
        keep_out_of_logs(SECRET_IN_TEXT, IN_ITS_PLACE)

        # Synapse's metrics call a callback by its module and qualified name, so these are bound
        # methods: a lambda or a `functools.partial` has no such name.
        api.register_spam_checker_callbacks(
            user_may_join_room=joining.user_may_join_room,
            user_may_invite=inviting.user_may_invite,
            user_may_send_3pid_invite=inviting.user_may_send_3pid_invite,
            user_may_create_room=upgrading.user_may_create_room,
            user_may_send_state_event=secluding.user_may_send_state_event,
            user_may_create_room_alias=secluding.user_may_create_room_alias,
            user_may_publish_room=secluding.user_may_publish_room,
            check_event_for_spam=listening.check_event_for_spam,
        )
        api.register_third_party_rules_callbacks(
            on_create_room=creating.on_create_room,
            on_user_deactivation_status_changed=deactivations.on_user_deactivation_status_changed,
        )
        if config.names.random_ids and enforce:
            random_ids(api)
        if enforce:  # In a trial there is nothing to see (rule 16).
            web.serve(api, database, limits, deeds, config)
        lobbies.warn(api, config.exempt)
        warn_if_there_are_no_names(api)

        withdrawing = guard.withdrawing if guard else None
        sweeping = Sweeping(
            api, database, forgetter, deeds.series.succession, series.place_sweep, codes.sweep,
            concierge.care, withdrawing, deeds.requests.ending,
            deeds.announcing.postman if enforce else None,
            deeds.assigning.ushers if enforce else None, *concierge.notices,
        )  # fmt: skip
        Start(api, database, concierge.account, concierge.care, codes.doors).begin(sweeping)

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
