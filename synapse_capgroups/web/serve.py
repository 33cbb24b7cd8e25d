"""Puts the join page and the HTTP API where Synapse serves them."""

from synapse.module_api import ModuleApi

from synapse_capgroups.admission.gatekeeper import Gatekeeper
from synapse_capgroups.codes.cards import Cards
from synapse_capgroups.codes.door_rooms import DoorRooms
from synapse_capgroups.codes.doors import Doors
from synapse_capgroups.codes.personal import PersonalCodes
from synapse_capgroups.config import Config
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.storage.database import Database
from synapse_capgroups.web.api import PREFIX, Api
from synapse_capgroups.web.join_page import JoinPage


def serve(
    api: ModuleApi,
    database: Database,
    scope: Scope,
    gatekeeper: Gatekeeper,
    doors: Doors,
    rooms: DoorRooms,
    personal: PersonalCodes,
    cards: Cards,
    limits: RateLimits,
    config: Config,
) -> None:
    """Register both on every HTTP listener of this process."""
    api.register_web_resource(
        PREFIX,
        Api(api, database, scope, gatekeeper, doors, rooms, personal, cards, limits, config),
    )
    page = JoinPage(api.server_name, config.codes.element_url)
    api.register_web_resource("/_synapse/client/capgroups/join", page)
