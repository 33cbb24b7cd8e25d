"""What of a homeserver's setting the module depends on, or changes the meaning of."""

import platform
from collections.abc import Callable, Iterator
from enum import Enum

import attrs
from synapse.util import SYNAPSE_VERSION

from synapse_capgroups.admin.homeserver_yaml import MODULE, ServerConfig
from synapse_capgroups.admin.opening import Opened
from synapse_capgroups.inside import probe
from synapse_capgroups.inside.tables.all_rooms import AllRooms
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.storage.accounts import Accounts
from synapse_capgroups.storage.schema import SCHEMA_VERSION, version_of


class Weight(Enum):
    """What a fact means for an admin."""

    GOOD = "good"
    NOTE = "note"
    CHANGE = "change"
    """Something should be set differently."""
    STOP = "stop"
    """With the module, Synapse would not start."""


@attrs.frozen
class Fact:
    """Something that is so on this server.

    Attributes:
        found: what is there, in a few words.
        advice: a sentence that says what it means or what to do; empty if nothing is to be said.
    """

    weight: Weight
    subject: str
    found: str
    advice: str = ""


Facts = Iterator[Fact]


def server_facts(server: ServerConfig, database: Opened) -> list[Fact]:
    """All facts of a server, in the order in which an admin reads them."""
    facts = [fact for look in _OF_CONFIGURATION for fact in look(server)]
    return [*facts, *(fact for look in _OF_DATABASE for fact in look(server, database))]


def _versions(_: ServerConfig) -> Facts:
    oldest, newest = (".".join(map(str, version)) for version in (probe.OLDEST, probe.NEWEST))
    installed = SYNAPSE_VERSION.split()[0]  # Without the branch, in a checkout.
    version = probe.numbers(installed)
    made_for = f"The module is made for Synapse {oldest} to {newest}."
    if version and version < probe.OLDEST:
        yield Fact(Weight.STOP, "Synapse", installed, f"{made_for} Upgrade Synapse first.")
    elif version and version > probe.NEWEST:
        yield Fact(Weight.NOTE, "Synapse", installed, f"{made_for} This one is newer.")
    else:
        yield Fact(Weight.GOOD, "Synapse", installed)
    yield Fact(Weight.GOOD, "Python", platform.python_version())


def _internals(server: ServerConfig) -> Facts:
    if missing := probe.missing(server.parsed):
        advice = "The module needs these parts of Synapse. " + "; ".join(missing)
        yield Fact(Weight.STOP, "internals", f"{len(missing)} missing", advice)
    else:
        count = len({requirement.called for requirement in probe.REQUIREMENTS})
        yield Fact(Weight.GOOD, "internals", f"all {count} are there")


def _modules(server: ServerConfig) -> Facts:
    own = server.modules.count(MODULE)
    if own > 1:
        yield Fact(Weight.STOP, "modules", f"{MODULE} {own} times", "Remove all but one.")
    elif not own:
        yield Fact(
            Weight.NOTE, "module", "not in homeserver.yaml",
            "Rooms are judged by the defaults of its configuration. To judge them by yours, name "
            "a second file with -c that has a `modules` section.",
        )  # fmt: skip
    else:
        trial = "in `modules`, a trial" if not server.module.enforce else "in `modules`"
        yield Fact(Weight.GOOD, "module", trial)
    others = [name for name in server.modules if name != MODULE]
    older = [
        key
        for key in ("spam_checker", "third_party_event_rules", "password_providers")
        if server.raw.get(key)
    ]
    if others or older:
        order = ", ".join([*server.modules, *older])
        yield Fact(
            Weight.NOTE, "other modules", order,
            "Each can refuse what this module allows. Where several refuse, people read the "
            "sentence of the one that is named first.",
        )  # fmt: skip


_MAIN = ("main", "master")


def _workers(server: ServerConfig) -> Facts:
    workers = [name for name in server.parsed.worker.instance_map if name not in _MAIN]
    if workers or server.parsed.redis.redis_enabled:
        yield Fact(
            Weight.NOTE, "workers", ", ".join(workers) or "yes (Redis is on)",
            "Install the module in the environment of each worker, and route "
            "/_synapse/client/capgroups (see the runbook).",
        )  # fmt: skip
    else:
        yield Fact(Weight.GOOD, "workers", "none")


def _address(server: ServerConfig) -> Facts:
    url = str(server.parsed.server.public_baseurl)
    if not server.raw.get("public_baseurl"):
        advice = "Not set: links in join codes would lead there. Set it to what phones reach."
        yield Fact(Weight.CHANGE, "public_baseurl", url, advice)
    elif not url.startswith("https://"):
        advice = "Links in join codes lead there. Phones want https."
        yield Fact(Weight.CHANGE, "public_baseurl", url, advice)
    else:
        yield Fact(Weight.GOOD, "public_baseurl", url)


def _proxy(server: ServerConfig) -> Facts:
    ports = [
        listener.get_site_tag()
        for listener in server.parsed.server.listeners
        if listener.http_options is not None
        and not listener.http_options.x_forwarded
        and not getattr(listener, "tls", False)
        and any("client" in resource.names for resource in listener.http_options.resources)
    ]
    if ports:
        yield Fact(
            Weight.CHANGE, "x_forwarded", f"false on {', '.join(ports)}",
            "Behind a reverse proxy all visitors of the join page share one limit. Set it to true "
            "if there is a proxy that sends X-Forwarded-For.",
        )  # fmt: skip
    else:
        yield Fact(Weight.GOOD, "x_forwarded", "true")


_ENOUGH = {
    "rc_joins_per_room": (5, 50, "a class that scans one code in a minute has to wait"),
    "rc_invites_per_room": (0.5, 50, "a group that is filled by invitations has to wait"),
    "rc_invites_per_issuer": (0.5, 50, "a member who invites many has to wait"),
}
"""Least rates and bursts with which groups fill without pain, and what is felt below them."""


def _rates(server: ServerConfig) -> Facts:
    limits = server.parsed.ratelimiting
    for name, (per_second, burst, felt) in _ENOUGH.items():
        limit = getattr(limits, name)
        found = f"{limit.per_second:g} a second, {limit.burst_count} at once"
        if limit.burst_count < burst:
            advice = f"With it, {felt}. At least {per_second:g} and {burst} (see Installing)."
            yield Fact(Weight.CHANGE, name, found, advice)
        else:
            yield Fact(Weight.GOOD, name, found)
    registration = limits.rc_registration
    if server.parsed.registration.enable_registration and registration.per_second >= 1:
        yield Fact(
            Weight.CHANGE, "rc_registration",
            f"{registration.per_second:g} a second, {registration.burst_count} at once",
            "Who can have many accounts can be everybody's friend. Lower it.",
        )  # fmt: skip


def _names(server: ServerConfig) -> Facts:
    allowed = server.parsed.server.allow_per_room_profiles
    if allowed or not server.module.names.keep:
        yield Fact(Weight.GOOD, "allow_per_room_profiles", str(allowed).lower())
    else:
        advice = "Nobody can have a name of their own in a group. Take it out of homeserver.yaml."
        yield Fact(Weight.CHANGE, "allow_per_room_profiles", "false", advice)


def _lobbies(server: ServerConfig) -> Facts:
    registration = server.parsed.registration
    exempt = server.module.exempt.addresses
    closed = [
        address
        for address in registration.auto_join_rooms
        if address.endswith(f":{server.server_name}") and address not in exempt
    ]
    if closed:
        yield Fact(
            Weight.CHANGE, "auto_join_rooms", ", ".join(closed),
            "New accounts could not be put there: groups have no address and take invited people "
            "only. Put it into `exempt.rooms`, or out of `auto_join_rooms`.",
        )  # fmt: skip
    elif registration.auto_join_rooms:
        yield Fact(Weight.GOOD, "auto_join_rooms", ", ".join(registration.auto_join_rooms))


def _invitations(server: ServerConfig) -> Facts:
    if server.parsed.auto_accept_invites.enabled:
        yield Fact(
            Weight.NOTE, "auto_accept_invites", "enabled",
            "Invited people are members at once, if the rules allow it, and direct chats make "
            "friends of people who did not agree.",
        )  # fmt: skip


def _accounts(server: ServerConfig) -> Facts:
    parsed = server.parsed
    if parsed.consent.user_consent_version is not None:
        advice = "The concierge consents by itself; people are asked by Synapse as before."
        yield Fact(Weight.NOTE, "user_consent", str(parsed.consent.user_consent_version), advice)
    experiment = getattr(parsed.experimental, "msc3861", None)
    if parsed.mas.enabled or (experiment is not None and experiment.enabled):
        yield Fact(
            Weight.NOTE, "accounts", "Matrix Authentication Service",
            "It makes the accounts: `names.random_ids` has no effect, and phone numbers are not "
            "known to `verified_contact`.",
        )  # fmt: skip
    guests = bool(parsed.registration.allow_guest_access)
    advice = "Guests join no group." if guests else ""
    weight = Weight.NOTE if guests else Weight.GOOD
    yield Fact(weight, "allow_guest_access", str(guests).lower(), advice)


def _rooms(server: ServerConfig) -> Facts:
    presets = server.parsed.room.encryption_enabled_by_default_for_room_presets
    if presets:
        advice = "Doors and chats with the concierge are not encrypted nevertheless."
        found = ", ".join(sorted(presets))
        yield Fact(Weight.NOTE, "encryption by default", found, advice)
    else:
        yield Fact(Weight.GOOD, "encryption by default", "off")
    if server.parsed.room.default_power_level_content_override and server.module.is_guarded:
        advice = "In groups, what gives power needs level 1 or more, whatever it says."
        yield Fact(Weight.NOTE, "default_power_level_content_override", "set", advice)
    if not server.parsed.stats.stats_enabled:
        advice = "Looking takes longer: the state of each room is read."
        yield Fact(Weight.NOTE, "stats", "off", advice)


def _engine(server: ServerConfig, database: Opened) -> Facts:
    yield Fact(Weight.GOOD, "database", database.version)
    if pending := AllRooms.pending_updates(database):
        advice = "Synapse is still working on its tables, which can take hours. Nothing is wrong."
        yield Fact(Weight.NOTE, "background updates", f"{pending} pending", advice)


def _own_tables(server: ServerConfig, database: Opened) -> Facts:
    version = _schema_version(database)
    if version is None:
        yield Fact(Weight.GOOD, "tables of the module", "none yet")
    elif version > SCHEMA_VERSION:
        yield Fact(
            Weight.STOP, "tables of the module", f"version {version}",
            f"A newer version of the module made them; this one knows {SCHEMA_VERSION}. Install "
            "the newer one.",
        )  # fmt: skip
    else:
        waits = "The module brings them up to date at its next start."
        advice = waits if version < SCHEMA_VERSION else ""
        yield Fact(Weight.GOOD, "tables of the module", f"version {version}", advice)


def _concierge(server: ServerConfig, database: Opened) -> Facts:
    user_id = concierge_id(server)
    if Users.is_support(database.transaction, user_id) is None:
        yield Fact(Weight.GOOD, "concierge", f"{user_id} is free")
    elif is_concierge(server, database) or (_schema_version(database) or 3) < 3:
        # Older tables do not have it on record; the module recognises the account at its start.
        yield Fact(Weight.GOOD, "concierge", f"{user_id} is the module's")
    elif Users.is_left_behind(database.transaction, user_id):
        yield Fact(Weight.GOOD, "concierge", f"{user_id} is free, and was the module's before")
    else:
        advice = "Somebody has this account. Set `concierge` to a name that is free."
        yield Fact(Weight.STOP, "concierge", user_id, advice)


def concierge_id(server: ServerConfig) -> str:
    """The Matrix ID that the module's own account has or will have."""
    return f"@{server.module.concierge}:{server.server_name}"


def is_concierge(server: ServerConfig, database: Opened) -> bool:
    """Whether the module has made an account of that name."""
    if not database.has_table("capgroups_accounts"):
        return False
    return Accounts.made_at(database.transaction, concierge_id(server)) is not None


def _schema_version(database: Opened) -> int | None:
    """The version of the module's tables; None if there are none."""
    if not database.has_table("capgroups_schema"):
        return None
    return version_of(database.transaction)


_OF_CONFIGURATION: tuple[Callable[[ServerConfig], Facts], ...] = (
    _versions, _internals, _modules, _workers, _address, _proxy, _rates, _names, _lobbies,
    _invitations, _accounts, _rooms,
)  # fmt: skip
_OF_DATABASE: tuple[Callable[[ServerConfig, Opened], Facts], ...] = (
    _engine, _own_tables, _concierge,
)  # fmt: skip
