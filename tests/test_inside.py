"""What is taken from inside Synapse is still there, under the same name and in the same shape.

A test for each use in `synapse_capgroups/inside/`. When one fails after an upgrade of Synapse,
that is the use to read again.
"""

import inspect
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import synapse
from synapse.api.auth.internal import InternalAuth
from synapse.api.constants import MAX_PDU_SIZE, UserTypes
from synapse.api.errors import Codes as ErrorCodes
from synapse.api.errors import ConsentNotGivenError
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.app.homeserver import SynapseHomeServer
from synapse.config.mas import MasConfig
from synapse.config.registration import RegistrationConfig
from synapse.config.repository import ContentRepositoryConfig
from synapse.config.server import ServerConfig
from synapse.config.server_notices import ServerNoticesConfig
from synapse.events import make_event_from_dict
from synapse.events.validator import EventValidator
from synapse.federation.federation_server import FederationServer
from synapse.handlers import profile
from synapse.handlers.deactivate_account import DeactivateAccountHandler
from synapse.handlers.directory import DirectoryHandler
from synapse.handlers.message import EventCreationHandler
from synapse.handlers.register import RegistrationHandler
from synapse.handlers.room import RoomCreationHandler, RoomShutdownHandler
from synapse.handlers.room_member import RoomMemberHandler
from synapse.handlers.user_directory import UserDirectoryHandler
from synapse.http.site import SynapseRequest
from synapse.logging import opentracing
from synapse.media._base import ThumbnailInfo
from synapse.media.filepath import MediaFilePaths
from synapse.media.media_repository import MediaRepository
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.callbacks.spamchecker_callbacks import SpamCheckerModuleApiCallbacks
from synapse.rest.client import room as rest_room
from synapse.storage._base import SQLBaseStore
from synapse.storage.database import DatabasePool
from synapse.storage.databases.main.cache import CacheInvalidationWorkerStore
from synapse.storage.databases.main.directory import DirectoryWorkerStore
from synapse.storage.databases.main.lock import Lock, LockStore
from synapse.storage.databases.main.media_repository import LocalMedia, MediaRepositoryStore
from synapse.storage.databases.main.registration import RegistrationWorkerStore
from synapse.storage.databases.main.room import RoomWorkerStore
from synapse.storage.databases.main.user_directory import UserDirectoryStore
from synapse.storage.engines import BaseDatabaseEngine, PostgresEngine, Sqlite3Engine
from synapse.storage.engines._base import IsolationLevel

from synapse_capgroups.inside.logs import keep_out_of_logs
from synapse_capgroups.inside.user_search import NARROWED
from synapse_capgroups.telemetry.redaction import IN_ITS_PLACE, SECRET_IN_TEXT
from tests.conftest import Server


@pytest.mark.parametrize(
    "columns",
    [
        "current_state_events: room_id, type, state_key, membership, event_id",
        "room_memberships: room_id, user_id, membership, event_id, event_stream_ordering",
        "current_state_events: event_stream_ordering",
        "current_state_delta_stream: room_id, event_id, stream_id",
        "room_memberships: sender",
        "event_auth: event_id, auth_id",
        "events: event_id, sender, stream_ordering, received_ts",
        "users: deactivated, locked, shadow_banned, suspended",
        "users: name, is_guest, appservice_id, password_hash, user_type",
        "devices: user_id, hidden",
        "profiles: user_id, fields",
        "user_external_ids: user_id",
        "access_tokens: user_id",
        "user_threepids: user_id, medium",
        "account_data: user_id, account_data_type, content",
        "room_aliases: room_id, room_alias, creator",
        "room_alias_servers: room_alias, server",
        "rooms: room_id, is_public, creator, room_version",
        "registration_tokens: token, uses_allowed, pending, completed, expiry_time",
    ],
)
def test_the_columns_of_synapses_tables(server: Server, columns: str) -> None:
    table, _, names = columns.partition(": ")
    server.query(f"SELECT {names} FROM {table} LIMIT 1")


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("current_state_events", ["room_id", "type", "state_key"]),
        ("room_memberships", ["user_id"]),
        ("room_memberships", ["room_id"]),
        ("event_auth", ["event_id"]),
        ("current_state_delta_stream", ["stream_id"]),
        ("account_data", ["user_id", "account_data_type"]),
        ("events", ["event_id"]),
        ("users", ["name"]),
        ("rooms", ["room_id"]),
        ("profiles", ["user_id"]),
        ("room_aliases", ["room_id"]),
        ("room_aliases", ["room_alias"]),
        ("room_alias_servers", ["room_alias"]),
        ("registration_tokens", ["token"]),
    ],
)
def test_the_indexes_that_the_statements_rely_on(
    server: Server, table: str, columns: list[str]
) -> None:
    if server.engine == "sqlite":
        names = [row[1] for row in server.query(f"PRAGMA index_list({table})")]
        indexes = [
            [row[2] for row in server.query(f"PRAGMA index_info('{name}')")] for name in names
        ]
    else:
        rows = server.query("SELECT indexdef FROM pg_indexes WHERE tablename = ?", table)
        indexes = [
            [column.split()[0] for column in row[0].split("(", 1)[1].split(")")[0].split(", ")]
            for row in rows
        ]
    assert columns in indexes


def test_the_two_methods_of_the_directory_that_are_watched() -> None:
    association = inspect.signature(DirectoryHandler.create_association)
    assert list(association.parameters)[1:4] == ["requester", "room_alias", "room_id"]
    listing = inspect.signature(DirectoryHandler.edit_published_room_list)
    assert list(listing.parameters)[1:] == ["requester", "room_id", "visibility"]
    assert inspect.iscoroutinefunction(DirectoryHandler.create_association)
    assert inspect.iscoroutinefunction(DirectoryHandler.edit_published_room_list)


def test_the_callbacks_are_called_within_these_two_methods() -> None:
    source = inspect.getsource(DirectoryHandler.create_association)
    assert "user_may_create_room_alias(" in source
    source = inspect.getsource(DirectoryHandler.edit_published_room_list)
    assert "user_may_publish_room(" in source


def test_the_methods_whose_end_is_waited_for() -> None:
    for method in (RoomCreationHandler.create_room, RoomMemberHandler.update_membership):
        assert inspect.iscoroutinefunction(method)
    assert "on_create_room(" in inspect.getsource(RoomCreationHandler.create_room)
    assert "update_membership_locked(" in inspect.getsource(RoomMemberHandler.update_membership)
    locked = inspect.getsource(RoomMemberHandler.update_membership_locked)
    assert "user_may_join_room(" in locked
    # What comes first in the answer to a creation.
    returned = inspect.signature(RoomCreationHandler.create_room).return_annotation
    assert str(returned).lower().startswith("tuple[str, ") or "Tuple[str, " in str(returned)


def test_the_method_through_which_each_change_of_a_membership_goes() -> None:
    method = RoomMemberHandler.update_membership_locked
    parameters = list(inspect.signature(method).parameters)
    assert parameters[1:5] == ["requester", "target", "room_id", "action"]
    assert {"content", "ratelimit"} < set(parameters)
    assert inspect.iscoroutinefunction(method)


def test_who_calls_the_methods_that_are_wrapped() -> None:
    """A new caller is a new way to join or to make a room: read it before it is added here."""
    root = Path(synapse.__file__).parent
    wrapped = re.compile(r"\.(update_membership_locked|create_room|clone_existing_room)\(")
    callers = Counter(
        (str(path.relative_to(root)), match[1])
        for path in root.rglob("*.py")
        for match in wrapped.finditer(path.read_text())
    )
    assert callers == {
        # Joins, leaves and invitations; the invitations of a creation come directly.
        ("handlers/room_member.py", "update_membership_locked"): 1,
        ("handlers/room.py", "update_membership_locked"): 1,
        # `createRoom`; rooms that the server makes for registrations, notices and deletions; and
        # modules.
        ("rest/client/room.py", "create_room"): 1,
        ("handlers/register.py", "create_room"): 1,
        ("server_notices/server_notices_manager.py", "create_room"): 1,
        ("handlers/room.py", "create_room"): 1,
        ("module_api/__init__.py", "create_room"): 1,
        # Upgrades.
        ("handlers/room.py", "clone_existing_room"): 1,
    }


def test_the_call_by_which_an_admin_lifts_rate_limits() -> None:
    assert "get_ratelimit_for_user" in vars(RoomWorkerStore)


def test_the_method_within_which_an_upgrade_is_judged() -> None:
    parameters = inspect.signature(RoomCreationHandler.clone_existing_room).parameters
    assert list(parameters)[1:4] == ["requester", "old_room_id", "new_room_id"]
    source = inspect.getsource(RoomCreationHandler.clone_existing_room)
    assert "user_may_create_room(" in source


def test_the_message_by_which_somebody_looks_active() -> None:
    source = inspect.getsource(EventCreationHandler._bump_active_time)
    assert "presence.bump_presence_active_time(user, " in source


def test_the_search_that_is_filtered() -> None:
    parameters = inspect.signature(UserDirectoryStore.search_user_dir).parameters
    assert list(parameters)[1:] == ["user_id", "search_term", "limit", "show_locked_users"]
    assert inspect.iscoroutinefunction(UserDirectoryStore.search_user_dir)
    source = inspect.getsource(UserDirectoryStore.search_user_dir)
    assert 'await self.db_pool.execute("search_user_dir", sql, *args)' in source
    assert [source.count(condition) for condition in NARROWED] == [1, 1], "on each engine"
    assert "self.store.search_user_dir(" in inspect.getsource(UserDirectoryHandler.search_users)


def test_the_join_by_which_a_change_of_the_profile_reaches_a_room() -> None:
    source = inspect.getsource(profile)
    assert "get_room_member_handler()" in source
    assert "await handler.update_membership(" in source
    parameters = list(inspect.signature(RoomMemberHandler.update_membership).parameters)
    assert {"content", "new_room"} < set(parameters)


def test_the_settings_that_are_looked_at() -> None:
    assert "self.allow_per_room_profiles" in inspect.getsource(ServerConfig)
    assert "self.enabled" in inspect.getsource(MasConfig)


def test_the_homeserver_behind_the_module_api() -> None:
    assert "self._hs = hs" in inspect.getsource(ModuleApi.__init__)
    for getter in (
        "directory_handler", "room_creation_handler", "room_member_handler", "federation_server",
        "user_directory_handler",
    ):  # fmt: skip
        assert callable(getattr(SynapseHomeServer, f"get_{getter}"))


def test_an_account_can_be_made_that_counts_among_no_people() -> None:
    method = RegistrationHandler.register_with_store
    parameters = list(inspect.signature(method).parameters)
    assert parameters[1] == "user_id"
    assert {"create_profile_with_displayname", "user_type", "approved"} < set(parameters)
    assert inspect.iscoroutinefunction(method)
    reserved = RegistrationHandler.check_user_id_not_appservice_exclusive
    assert list(inspect.signature(reserved).parameters)[1] == "user_id"
    assert UserTypes.SUPPORT == "support"
    assert callable(SynapseHomeServer.get_registration_handler)


def test_a_deactivated_account_can_be_used_again() -> None:
    activate = DeactivateAccountHandler.activate_account
    assert list(inspect.signature(activate).parameters)[1:] == ["user_id"]
    assert "mark_user_not_erased" in inspect.getsource(activate)
    assert "set_user_deactivated_status(user_id, False)" in inspect.getsource(activate)
    deactivate = inspect.signature(DeactivateAccountHandler.deactivate_account).parameters
    assert list(deactivate)[1:4] == ["user_id", "erase_data", "requester"]
    assert "by_admin" in deactivate
    named = set(inspect.signature(profile.ProfileHandler.set_displayname).parameters)
    assert {"target_user", "requester", "new_displayname", "by_admin"} < named
    assert callable(SynapseHomeServer.get_deactivate_account_handler)
    assert callable(SynapseHomeServer.get_profile_handler)


def test_an_account_can_be_made_such_a_one_and_synapse_forgets_that_it_was_none() -> None:
    assert list(inspect.signature(RegistrationWorkerStore.set_user_type).parameters)[1:] == [
        "user", "user_type",
    ]  # fmt: skip
    for remembered in ("is_support_user", "is_real_user"):
        assert "@cached" in inspect.getsource(vars(RegistrationWorkerStore)[remembered].orig)
    assert inspect.iscoroutinefunction(
        CacheInvalidationWorkerStore.send_invalidation_to_replication
    )


def test_a_room_can_be_created_without_the_servers_encryption() -> None:
    parameters = inspect.signature(RoomCreationHandler.create_room).parameters
    assert list(parameters)[1:3] == ["requester", "config"]
    assert {"ratelimit", "ignore_forced_encryption"} < set(parameters)


def test_a_membership_can_be_set_without_rate_limits_and_a_room_forgotten() -> None:
    parameters = list(inspect.signature(RoomMemberHandler.update_membership).parameters)
    assert parameters[1:5] == ["requester", "target", "room_id", "action"]
    assert "ratelimit" in parameters
    assert list(inspect.signature(RoomMemberHandler.forget).parameters)[1:3] == ["user", "room_id"]


def test_a_picture_can_be_uploaded() -> None:
    parameters = inspect.signature(MediaRepository.create_or_update_content).parameters
    assert list(parameters)[1:6] == [
        "media_type", "upload_name", "content", "content_length", "auth_user",
    ]  # fmt: skip


def test_a_pictures_thumbnails_can_be_read() -> None:
    assert "quarantined_by" in {field.name for field in attrs.fields(LocalMedia)}
    assert callable(MediaRepositoryStore.get_local_media_thumbnails)
    assert {"width", "height", "method", "type", "length"} <= {
        field.name for field in attrs.fields(ThumbnailInfo)
    }
    assert list(inspect.signature(MediaFilePaths).parameters) == ["primary_base_path"]
    assert list(inspect.signature(MediaFilePaths.local_media_thumbnail_rel).parameters)[1:] == [
        "media_id", "width", "height", "content_type", "method",
    ]  # fmt: skip
    assert callable(MediaFilePaths.local_media_thumbnail)
    assert "self.media_store_path" in inspect.getsource(ContentRepositoryConfig)


def test_the_method_by_which_people_of_other_servers_join() -> None:
    method = FederationServer.on_send_join_request
    assert list(inspect.signature(method).parameters)[1:4] == ["origin", "content", "room_id"]
    assert inspect.iscoroutinefunction(method)


def test_workers_are_told_of_a_room_as_of_a_cache() -> None:
    assert "external_cached_functions" in inspect.getsource(SQLBaseStore)


def test_an_address_can_be_deleted_at_once() -> None:
    assert list(inspect.signature(DirectoryWorkerStore.delete_room_alias).parameters)[1] == (
        "room_alias"
    )


def test_an_address_can_be_led_to_another_room() -> None:
    parameters = inspect.signature(DirectoryWorkerStore.create_room_alias_association).parameters
    assert list(parameters)[1:] == ["room_alias", "room_id", "servers", "creator"]
    assert "get_association_from_room_alias" in vars(DirectoryWorkerStore)


def test_the_lock_that_all_processes_respect() -> None:
    parameters = inspect.signature(LockStore.try_acquire_lock).parameters
    assert list(parameters)[1:] == ["lock_name", "lock_key"]
    assert {"__aenter__", "__aexit__"} < set(dir(Lock))


def test_which_versions_of_rooms_have_creators_of_all_power() -> None:
    assert KNOWN_ROOM_VERSIONS["12"].msc4289_creator_power_enabled
    assert not KNOWN_ROOM_VERSIONS["11"].msc4289_creator_power_enabled


def test_what_tells_the_paths_of_requests_takes_them_from_one_method() -> None:
    for tells in (
        SynapseRequest.__repr__, SynapseRequest.render, SynapseRequest._finished_processing,
        opentracing.trace_servlet,
    ):  # fmt: skip
        source = inspect.getsource(tells)
        assert "get_redacted_uri()" in source
        assert ".uri" not in source.replace("get_redacted_uri()", "")


@pytest.fixture
def log_records() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    redacted = SynapseRequest.get_redacted_uri
    yield
    logging.setLogRecordFactory(before)
    SynapseRequest.get_redacted_uri = redacted  # type: ignore[method-assign]


@pytest.mark.usefixtures("log_records")
def test_a_path_in_a_trace_has_no_secret() -> None:
    keep_out_of_logs(SECRET_IN_TEXT, IN_ITS_PLACE)
    request = SynapseRequest.__new__(SynapseRequest)
    request.uri = b"/_matrix/client/v3/join/%23%6A%2D" + b"abcdefg234567" * 2 + b"xy%3Alocalhost"
    assert request.get_redacted_uri() == "/_matrix/client/v3/join/%23%6A%2D<secret>%3Alocalhost"


@pytest.mark.usefixtures("log_records")
def test_an_exception_in_the_log_has_no_secret() -> None:
    keep_out_of_logs(SECRET_IN_TEXT, IN_ITS_PLACE)
    try:
        raise ValueError("no room #j-abcdefg234567abcdefg234567xy:localhost")
    except ValueError:
        record = logging.getLogRecordFactory()(
            "synapse.any", logging.ERROR, "", 0, "It broke", (), sys.exc_info()
        )
    line = logging.Formatter().format(record)
    assert "no room #j-<secret>:localhost" in line
    assert "Traceback" in line


@pytest.mark.usefixtures("log_records")
def test_a_thousand_homeservers_in_one_process_clean_their_log_once() -> None:
    for _ in range(1_000):
        keep_out_of_logs(re.compile("s3cret"), "<secret>")
    record = logging.getLogRecordFactory()(
        "synapse.access.http", logging.INFO, "", 0, "%s", ("/j-s3cret",), None
    )
    assert record.getMessage() == "/j-<secret>"


def test_the_server_notices_user() -> None:
    assert "self.server_notices_mxid" in inspect.getsource(ServerNoticesConfig)


def test_the_engine_of_a_transaction() -> None:
    assert "database_engine" in LoggingTransaction.__slots__
    assert issubclass(PostgresEngine, BaseDatabaseEngine)
    assert not issubclass(Sqlite3Engine, PostgresEngine)


def test_a_state_event_is_refused_with_a_sentence_only_by_an_exception() -> None:
    """When Synapse takes `(code, fields)` here too, the exception in `module.py` can go."""
    source = inspect.getsource(SpamCheckerModuleApiCallbacks.user_may_send_state_event)
    assert "isinstance(res, tuple)" not in source


def test_a_transaction_can_be_told_its_isolation_level() -> None:
    run = inspect.signature(DatabasePool.runInteraction).parameters
    assert {"isolation_level", "db_autocommit"} <= set(run)
    assert "runInteraction(desc, func, *args, **kwargs)" in inspect.getsource(
        ModuleApi.run_db_interaction
    )
    assert IsolationLevel.READ_COMMITTED in PostgresEngine({}).isolation_level_map


def test_whether_somebody_is_a_server_admin_is_asked_of_the_request() -> None:
    source = inspect.getsource(RoomMemberHandler.update_membership_locked)
    assert "bypass_spam_checker = await self.auth.is_server_admin(requester)" in source


def test_a_repeated_join_is_answered_before_any_callback_is_asked() -> None:
    """Which is why `Doors.enter_unasked` judges it: who is at a door may scan again."""
    source = inspect.getsource(RoomMemberHandler.update_membership_locked)
    assert source.index("# duplicate event.") < source.index("user_may_join_room(")


def test_by_what_a_change_of_a_name_is_known() -> None:
    # The task that brings a changed profile into all rooms is not limited; a client's join is.
    task = inspect.getsource(profile)
    assert "ratelimit=False,  # Try to hide that these events aren't atomic." in task
    state_event = inspect.getsource(rest_room.RoomStateEventRestServlet.on_PUT)
    assert 'membership = content.get("membership", None)' in state_event
    assert "content=content," in state_event


def test_a_membership_can_be_changed_without_the_senders_consent() -> None:
    assert "require_consent" in inspect.signature(RoomMemberHandler.update_membership).parameters
    # The sentence names where to consent, for the account that sends.
    assert "consent_uri=" in inspect.getsource(ConsentNotGivenError.error_dict)


@pytest.mark.newer_synapse
def test_an_invitation_that_is_blocked_or_sent_while_suspended_has_a_code_of_its_own() -> None:
    assert ErrorCodes.INVITE_BLOCKED.value == "M_INVITE_BLOCKED"
    assert ErrorCodes.USER_ACCOUNT_SUSPENDED.value == "M_USER_SUSPENDED"


def test_a_creation_joins_its_creator_before_it_invites() -> None:
    source = inspect.getsource(RoomCreationHandler.create_room)
    assert source.index("_send_events_for_new_room(") < source.index("update_membership_locked(")
    # By which a room is known that was begun: `creations.create_room` leaves it if the rest fails.
    assert "new_room=True" in inspect.getsource(RoomCreationHandler._send_events_for_new_room)


def test_the_method_within_which_the_notice_room_of_a_deletion_is_made() -> None:
    parameters = list(inspect.signature(RoomShutdownHandler.shutdown_room).parameters)
    assert parameters[1:4] == ["room_id", "params", "result"]
    source = inspect.getsource(RoomShutdownHandler.shutdown_room)
    assert 'params["new_room_user_id"]' in source
    assert 'result.get("new_room_id")' in source
    assert "self._room_creation_handler.create_room(" in source
    assert callable(SynapseHomeServer.get_room_shutdown_handler)


def test_the_settings_of_lobbies_and_whose_name_stands_for_the_server() -> None:
    source = inspect.getsource(RegistrationConfig)
    assert "self.auto_join_rooms" in source
    assert "self.autocreate_auto_join_rooms" in source
    source = inspect.getsource(RegistrationHandler._create_and_join_rooms)
    assert "authenticated_entity=self.server_name" in source
    assert callable(InternalAuth.is_server_admin)


def test_an_event_can_be_looked_at_before_there_is_a_room() -> None:
    assert list(inspect.signature(EventValidator.validate_new).parameters)[1:] == [
        "event", "config",
    ]  # fmt: skip
    assert list(inspect.signature(make_event_from_dict).parameters)[:2] == [
        "event_dict", "room_version",
    ]  # fmt: skip
    assert MAX_PDU_SIZE == 65536
