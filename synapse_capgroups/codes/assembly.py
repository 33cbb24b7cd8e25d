"""Puts the parts of this package together."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.admission.assembly import AdmissionParts
from synapse_capgroups.admission.code_states import CodeStates
from synapse_capgroups.admission.contacts import Contacts
from synapse_capgroups.codes.account_tokens import AccountTokens
from synapse_capgroups.codes.bringing_in import BringingIn
from synapse_capgroups.codes.cards import Cards
from synapse_capgroups.codes.closing import Closing
from synapse_capgroups.codes.dead_ends import DeadEnds
from synapse_capgroups.codes.door_rooms import DoorRooms
from synapse_capgroups.codes.doors import Doors
from synapse_capgroups.codes.entry import Entry, GroupEntry
from synapse_capgroups.codes.judging import Judging
from synapse_capgroups.codes.life import CodeLife, Deaths
from synapse_capgroups.codes.live import LiveCodePictures, LiveCodes
from synapse_capgroups.codes.making import Making, Workshop
from synapse_capgroups.codes.outcomes import Outcomes
from synapse_capgroups.codes.personal import PersonalCodes
from synapse_capgroups.codes.previews import Previews
from synapse_capgroups.codes.remote_entry import Arrivals, RemoteEntry, RemoteJoins, RemoteVisits
from synapse_capgroups.codes.sharing import CodePictures, Sharing
from synapse_capgroups.codes.sweep import CodeSweep
from synapse_capgroups.codes.visits import DoorVisits
from synapse_capgroups.config import Config
from synapse_capgroups.federation.guard import Guard
from synapse_capgroups.groups.members import Members
from synapse_capgroups.groups.rights import SharingRights
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.series.filling import Filling, Glances
from synapse_capgroups.storage.database import Database


@attrs.frozen
class CodeParts:
    """What other packages use of this one. Each of their classes gets the parts that it needs."""

    sharing: Sharing
    live: LiveCodes
    live_pictures: LiveCodePictures
    pictures: CodePictures
    previews: Previews
    deaths: Deaths
    closing: Closing
    outcomes: Outcomes
    doors: Doors
    dead_ends: DeadEnds
    remote_entry: RemoteEntry
    remote_joins: RemoteJoins
    sweep: CodeSweep
    bringing_in: BringingIn


def assemble(
    api: ModuleApi,
    database: Database,
    scope: Scope,
    admission: AdmissionParts,
    members: Members,
    limits: RateLimits,
    filling: Filling,
    concierge: str,
    guard: Guard | None,
    config: Config,
) -> CodeParts:
    """Make the parts.

    Args:
        concierge: its Matrix ID. All doors are its rooms.
        guard: None where people of other servers are not guarded against.
    """
    presence, words = admission.presence, config.words
    states = CodeStates(api, database, config)
    contacts = Contacts(api, database, config.verified_contact)
    rights = SharingRights(api, database, config.codes.share_level)
    dead_ends = DeadEnds(api, database, scope, concierge, words)
    tokens = AccountTokens(api, database, config)
    closing = Closing(api, database, dead_ends, tokens)
    rooms = DoorRooms(api, concierge, words)
    workshop = Workshop(database, limits, rooms, closing, tokens)
    personal = PersonalCodes(api, database, contacts, limits, enforce=config.enforce)
    life = CodeLife(scope, states, rights, personal, closing)
    judging = Judging(api, scope, rights, admission.deciding, filling)
    outcomes = Outcomes(admission.settling, closing, guard, config.code_limit)
    bringing_in = BringingIn(api, database, presence, config.words)
    visits = DoorVisits(api, database, presence, rooms, config.codes.door_stay)
    group_entry = GroupEntry(
        api,
        judging,
        bringing_in,
        outcomes,
        local_only=guard is not None and guard.local_only,
    )
    entry = Entry(group_entry, personal, visits, closing)
    arrivals = Arrivals(api, presence)
    remote_visits = RemoteVisits(api, database, entry, arrivals, rooms)
    remote_joins = RemoteJoins(api, database, judging, arrivals, outcomes)
    glances = Glances(api, database, config)
    making = Making(api, presence, rights, workshop, config)
    sharing = Sharing(database, members, making, life, closing)
    cards, live = Cards(api, glances, words), LiveCodes(database, making, life, closing)
    return CodeParts(
        sharing=sharing,
        live=live,
        live_pictures=LiveCodePictures(live, cards, limits),
        pictures=CodePictures(sharing, cards, limits),
        previews=Previews(api, database, life, closing, glances, shows_tokens=tokens.is_on),
        deaths=Deaths(api, database, scope, rights, closing),
        closing=closing,
        outcomes=outcomes,
        doors=Doors(api, database, limits, entry, concierge),
        dead_ends=dead_ends,
        remote_entry=RemoteEntry(scope, remote_visits, remote_joins),
        remote_joins=remote_joins,
        sweep=CodeSweep(api, database, life, closing, visits),
        bringing_in=bringing_in,
    )
