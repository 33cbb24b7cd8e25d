"""Whether this Synapse is one that the module was written for, asked before anything is wrapped.

`inside/` replaces methods of Synapse's and calls others that no contract keeps in place. If one
of them were renamed, or became a Rust object whose method cannot be replaced, groups would be open
without anybody noticing. So the server does not start then, and says what to do.
"""

import importlib
import inspect
from importlib import metadata
from operator import attrgetter
from typing import Any
from weakref import WeakSet

import attrs
from synapse.config.homeserver import HomeServerConfig
from synapse.events.snapshot import EventContext
from synapse.module_api import ModuleApi
from synapse.module_api.errors import ConfigError
from synapse.util import SYNAPSE_VERSION

OLDEST, NEWEST = (1, 143), (1, 163)
"""The Synapse versions in which `inside/` was read."""


@attrs.frozen
class Requirement:
    """A function of Synapse's that is replaced or called.

    Attributes:
        owner: the module and, after a colon, the class.
        parameters: the first ones after `self`, in this order.
        named: others that are passed by their names.
        coroutine: whether it must be one.
        replaced: whether the module puts a function of its own in its place.
        getter: how the homeserver hands out the object whose method is replaced.
    """

    owner: str
    name: str
    parameters: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    coroutine: bool = True
    replaced: bool = False
    getter: str | None = None

    @property
    def called(self) -> str:
        return f"{self.owner.rpartition(':')[2]}.{self.name}"


def _wrapped(owner: str, name: str, getter: str, *parameters: str, **more: Any) -> Requirement:
    owner = f"synapse.{owner}"
    return Requirement(owner, name, parameters, replaced=True, getter=getter, **more)


def _called(owner: str, name: str, *parameters: str, **more: Any) -> Requirement:
    return Requirement(f"synapse.{owner}", name, parameters, **more)


_MEMBERS = ("handlers.room_member:RoomMemberHandler", "get_room_member_handler")
_ROOMS = ("handlers.room:RoomCreationHandler", "get_room_creation_handler")
_DIRECTORY = ("handlers.directory:DirectoryHandler", "get_directory_handler")

REQUIREMENTS = (
    _wrapped(
        _MEMBERS[0], "update_membership", _MEMBERS[1], "requester", "target", "room_id", "action",
        named=("content", "new_room", "ratelimit", "require_consent"),
    ),
    _wrapped(
        _MEMBERS[0], "update_membership_locked", _MEMBERS[1],
        "requester", "target", "room_id", "action", named=("content", "new_room", "ratelimit"),
    ),
    _wrapped(
        _ROOMS[0], "create_room", _ROOMS[1], "requester", "config",
        named=("ratelimit", "ignore_forced_encryption"),
    ),
    _wrapped(
        _ROOMS[0], "upgrade_room", _ROOMS[1],
        "requester", "old_room_id", "new_version", "additional_creators",
    ),
    _wrapped(
        _ROOMS[0], "clone_existing_room", _ROOMS[1], "requester", "old_room_id", "new_room_id"
    ),
    _wrapped(
        _DIRECTORY[0], "create_association", _DIRECTORY[1], "requester", "room_alias", "room_id"
    ),
    _wrapped(
        _DIRECTORY[0], "edit_published_room_list", _DIRECTORY[1],
        "requester", "room_id", "visibility",
    ),
    _called(
        "storage.databases.main.user_directory:UserDirectoryStore", "search_user_dir",
        "user_id", "search_term", "limit", "show_locked_users", replaced=True,
    ),
    _wrapped(
        "federation.federation_server:FederationServer", "on_send_join_request",
        "get_federation_server", "origin", "content", "room_id",
    ),
    *(
        _called("storage.databases.main.registration:RegistrationWorkerStore", *row, replaced=True)
        for row in (
            ("set_user_suspended_status", "user_id", "suspended"),
            ("set_user_locked_status", "user_id", "locked"),
            ("set_shadow_banned", "user", "shadow_banned"),
        )
    ),
    _wrapped(
        "handlers.room:RoomShutdownHandler", "shutdown_room", "get_room_shutdown_handler",
        "room_id", "params", "result",
    ),
    _wrapped(
        "handlers.message:EventCreationHandler", "create_and_send_nonmember_event",
        "get_event_creation_handler", "requester", "event_dict",
        named=("ratelimit", "ignore_shadow_ban"),
    ),
    _wrapped(
        "handlers.federation:FederationHandler", "on_exchange_third_party_invite_request",
        "get_federation_handler", "event_dict",
    ),
    _wrapped(
        "handlers.presence:BasePresenceHandler", "bump_presence_active_time",
        "get_presence_handler", "user",
    ),
    _called("api.auth.base:BaseAuth", "is_server_admin", "requester"),
    _called("api.auth.mas:MasDelegatedAuth", "issuer"),
    _called(
        "events.validator:EventValidator", "validate_new", "event", "config", coroutine=False
    ),
    _called(
        "handlers.register:RegistrationHandler", "register_with_store", "user_id",
        named=("create_profile_with_displayname", "user_type", "approved"),
    ),
    _called(
        "handlers.register:RegistrationHandler", "check_user_id_not_appservice_exclusive",
        "user_id", coroutine=False,
    ),
    _called("handlers.deactivate_account:DeactivateAccountHandler", "activate_account", "user_id"),
    _called(
        "handlers.deactivate_account:DeactivateAccountHandler", "deactivate_account",
        "user_id", "erase_data", "requester", named=("by_admin",),
    ),
    _called(
        "handlers.profile:ProfileHandler", "set_displayname",
        "target_user", "requester", "new_displayname", named=("by_admin",),
    ),
    _called(
        "handlers.profile:ProfileHandler", "set_avatar_url",
        "target_user", "requester", "new_avatar_url", named=("by_admin", "propagate"),
    ),
    _called(
        "storage.databases.main.registration:RegistrationWorkerStore", "set_user_type",
        "user", "user_type",
    ),
    *(
        _called("storage.databases.main.registration:RegistrationWorkerStore", *row)
        for row in (
            ("create_registration_token", "token", "uses_allowed", "expiry_time"),
            ("update_registration_token", "token", "updatevalues"),
            ("delete_registration_token", "token"),
        )
    ),
    # Both behind caches.
    _called(
        "storage.databases.main.registration:RegistrationWorkerStore", "is_support_user",
        coroutine=False,
    ),
    _called(
        "storage.databases.main.registration:RegistrationWorkerStore", "is_real_user",
        coroutine=False,
    ),
    _called(
        "storage.databases.main.cache:CacheInvalidationWorkerStore",
        "send_invalidation_to_replication", "cache_name", "keys",
    ),
    _called("storage.databases.main.state:StateGroupWorkerStore", "get_room_version", "room_id"),
    _called("http.site:SynapseRequest", "get_redacted_uri", replaced=True, coroutine=False),
    _called("handlers.room_member:RoomMemberHandler", "forget", "user", "room_id"),
    _called(
        "media.media_repository:MediaRepository", "create_or_update_content",
        "media_type", "upload_name", "content", "content_length", "auth_user",
    ),
    _called(
        "storage.databases.main.media_repository:MediaRepositoryStore", "get_local_media",
        "media_id",
    ),
    _called(
        "storage.databases.main.media_repository:MediaRepositoryStore",
        "get_local_media_thumbnails", "media_id",
    ),
    _called(
        "storage.databases.main.directory:DirectoryWorkerStore", "delete_room_alias", "room_alias"
    ),
    _called(
        "storage.databases.main.directory:DirectoryWorkerStore", "create_room_alias_association",
        "room_alias", "room_id", "servers", "creator",
    ),
    _called(
        "storage.databases.main.directory:DirectoryWorkerStore", "update_aliases_for_room",
        "old_room_id", "new_room_id", "creator",
    ),
    _called(
        "storage.databases.main.directory:DirectoryWorkerStore",
        "get_association_from_room_alias", "room_alias",
    ),
    _called(
        "storage.databases.main.lock:LockStore", "try_acquire_lock", "lock_name", "lock_key"
    ),
    _called("api.auth.base:BaseAuth", "is_server_admin", "requester"),
    _called(
        "storage.databases.main.roommember:RoomMemberWorkerStore",
        "get_local_current_membership_for_user_in_room", "user_id", "room_id",
    ),
    # Behind a cache, which is no function.
    _called(
        "storage.databases.main.room:RoomWorkerStore", "get_ratelimit_for_user", coroutine=False
    ),
    _called(
        "storage.database:DatabasePool", "runInteraction", "desc", "func",
        named=("isolation_level", "db_autocommit"),
    ),
    _called(
        "media.filepath:MediaFilePaths", "local_media_filepath", "media_id", coroutine=False
    ),
)  # fmt: skip
"""Every function of Synapse's that `inside/` wraps, and those that it calls beside them."""

BATCH_REQUIREMENTS = (
    _wrapped(
        _MEMBERS[0], "_local_membership_update", _MEMBERS[1],
        "requester", "target", "room_id", "membership", "prev_event_ids",
    ),
    _wrapped(_MEMBERS[0], "_get_inviter", _MEMBERS[1], "user_id", "room_id"),
    _called(
        "handlers.message:EventCreationHandler", "create_event", "requester", "event_dict",
        named=(
            "prev_event_ids", "depth", "require_consent", "state_map", "for_batch",
            "current_state_group",
        ),
    ),
    _called(
        "handlers.message:EventCreationHandler", "handle_new_client_event", "requester",
        "events_and_context", named=("extra_users", "ratelimit"),
    ),
    _called("events.snapshot:UnpersistedEventContextBase", "persist", "event"),
    _called(
        "storage.controllers.state:StateStorageController", "get_state_group_for_events",
        "event_ids", named=("await_full_state",),
    ),
    _called(
        "storage.controllers.state:StateStorageController", "get_state_ids_for_group",
        "state_group",
    ),
    # Behind a cache.
    _called(
        "storage.databases.main.room:RoomWorkerStore", "is_partial_state_room", coroutine=False
    ),
    _called(
        "storage.databases.main.event_federation:EventFederationWorkerStore",
        "get_prev_events_for_room", "room_id",
    ),
)  # fmt: skip
"""What an invitation and a join in one batch need. Without it, they are made one by one."""

SETTINGS = (
    "server.allow_per_room_profiles",
    "servernotices.server_notices_mxid",
    "server.default_room_version.identifier",
    "room.default_power_level_content_override",
    "registration.auto_join_rooms",
    "registration.autocreate_auto_join_rooms",
    "registration.enable_registration",
    "registration.registration_requires_token",
    "oidc.oidc_enabled",
    "cas.cas_enabled",
    "saml2.saml2_enabled",
    "federation.federation_domain_whitelist",
    "mas.enabled",
    "experimental",
    "worker.writers.events",
    "media",
)
"""Every setting of the homeserver's that `inside/` reads."""

_configured: "WeakSet[ModuleApi]" = WeakSet()


def require_once(api: ModuleApi) -> None:
    """Refuse a second entry of the module in one homeserver.

    Raises:
        ConfigError: there is one. Two would wrap each other, with tables that they share.
    """
    if api in _configured:
        raise ConfigError(
            "synapse-capgroups: 'modules' in homeserver.yaml names synapse_capgroups.CapGroups "
            "twice. Remove one of the two entries: a homeserver has one configuration of groups."
        )
    _configured.add(api)


def require_synapse(api: ModuleApi) -> None:
    """Check that everything the module takes from inside Synapse is there.

    Raises:
        ConfigError: something is not, with a sentence that says which versions fit together.
    """
    found = [problem(requirement) or _held_by(api, requirement) for requirement in REQUIREMENTS]
    found += [_setting(api._hs.config, path) for path in SETTINGS]
    if wrong := [text for text in found if text]:
        raise unsuitable(wrong)


def has_what_batches_need(api: ModuleApi) -> bool:
    """Whether an invitation and a join can be made in one batch."""
    rules = api._hs.get_module_api_callbacks().third_party_event_rules
    known = isinstance(getattr(rules, "_check_event_allowed_callbacks", None), list)
    known = known and hasattr(EventContext, "state_group_deltas")  # It has slots.
    return known and not any(problem(row) or _held_by(api, row) for row in BATCH_REQUIREMENTS)


def missing(config: HomeServerConfig) -> list[str]:
    """The same without a homeserver: what is missing in this Synapse, as far as classes tell."""
    found = [problem(requirement) for requirement in REQUIREMENTS]
    found += [_setting(config, path) for path in SETTINGS]
    return [text for text in found if text]


def unsuitable(wrong: list[str]) -> ConfigError:
    """The end of a start: what is wrong with this Synapse, and what to do."""
    oldest, newest = (".".join(map(str, version)) for version in (OLDEST, NEWEST))
    version = numbers(SYNAPSE_VERSION)
    if version and version > NEWEST:
        advice = (
            "Upgrade synapse-capgroups (pip install --upgrade synapse-capgroups); until there is a "
            f"version for this Synapse, use Synapse {newest}."
        )
    elif version and version < OLDEST:
        advice = f"Upgrade Synapse to {oldest} or later."
    else:
        advice = (
            "This version of Synapse should have it: another module may have changed Synapse, or "
            "its installation is broken. Install Synapse anew, or take out the other module."
        )
    return ConfigError(
        f"synapse-capgroups {metadata.version('synapse-capgroups')} cannot work with this Synapse, "
        f"{SYNAPSE_VERSION}, and without it groups would be open: {'; '.join(wrong)}. "
        f"It is made for Synapse {oldest} to {newest}. {advice}"
    )


def numbers(version: str) -> tuple[int, int] | None:
    """The first two numbers of a version."""
    try:
        major, minor = version.split(".")[:2]
        return int(major), int(minor.split("r")[0])
    except ValueError:
        return None


def problem(requirement: Requirement) -> str | None:
    """What is wrong with a function of Synapse's; None if nothing is."""
    module, _, name = requirement.owner.partition(":")
    try:
        owner = getattr(importlib.import_module(module), name)
        # Not by `getattr`: a method behind a cache cannot be had from its class.
        function = inspect.getattr_static(owner, requirement.name)
    except (ImportError, AttributeError):
        return f"{requirement.called} is missing"
    if requirement.replaced and not inspect.isfunction(function):
        return f"{requirement.called} is not written in Python and cannot be replaced"
    if requirement.coroutine and not inspect.iscoroutinefunction(function):
        return f"{requirement.called} is not a coroutine"
    if not requirement.parameters:
        return None
    return _parameters(requirement, function)


def _parameters(requirement: Requirement, function: Any) -> str | None:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return f"{requirement.called} does not tell its parameters"
    if list(parameters)[1 : 1 + len(requirement.parameters)] != list(requirement.parameters):
        wanted, found = ", ".join(requirement.parameters), ", ".join(list(parameters)[1:])
        return f"{requirement.called} takes ({found}) and not ({wanted}, …)"
    absent = [name for name in requirement.named if name not in parameters]
    if absent and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return f"{requirement.called} does not take {', '.join(absent)}"
    return None


def _held_by(api: ModuleApi, requirement: Requirement) -> str | None:
    """The same of the object on which the method is going to be replaced."""
    if requirement.getter is None:
        return None
    holder = getattr(api._hs, requirement.getter, None)
    if holder is None:
        return f"HomeServer.{requirement.getter} is missing"
    return replaceable(holder(), requirement)


def replaceable(held: object, requirement: Requirement) -> str | None:
    """Why a method of this object cannot be replaced; None if it can."""
    if not hasattr(held, "__dict__"):
        return f"{requirement.called} belongs to an object whose methods cannot be replaced"
    if not callable(getattr(held, requirement.name, None)):
        return f"{requirement.called} is missing in {type(held).__name__}"
    return None


def _setting(config: HomeServerConfig, path: str) -> str | None:
    try:
        attrgetter(path)(config)
    except AttributeError:
        return f"the setting {path} is missing"
    return None
