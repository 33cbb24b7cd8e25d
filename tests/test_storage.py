"""The module's tables: made once, by any number of processes, and never by the wrong version."""

import contextlib
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED
from synapse.storage.database import LoggingTransaction
from synapse.storage.engines import PostgresEngine
from synapse.util.json import json_encoder

from synapse_capgroups.admission import attempts
from synapse_capgroups.admission.code_deaths import sweep_codes
from synapse_capgroups.admission.uses import count_use, take_back_use_of_time
from synapse_capgroups.demo.homeserver import StartError
from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.demo.postgres import Postgres
from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.inside.tables.all_rooms import AllRooms
from synapse_capgroups.inside.tables.directory import DirectoryTables
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.messages import Messages
from synapse_capgroups.inside.tables.outside import Outside
from synapse_capgroups.inside.tables.power import PowerTables
from synapse_capgroups.inside.tables.profiles import Profiles
from synapse_capgroups.inside.tables.rooms_of_two import RoomsOfTwo
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.inside.tables.within import Within
from synapse_capgroups.rules.announcements import Undelivered
from synapse_capgroups.rules.friends import listed_rooms
from synapse_capgroups.rules.joining import Mode
from synapse_capgroups.rules.news import NewsKind
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage import schema
from synapse_capgroups.storage.accounts import Accounts
from synapse_capgroups.storage.admissions import Admission, Admissions, How
from synapse_capgroups.storage.aliases import Aliases
from synapse_capgroups.storage.announcements import (
    Announcement,
    Announcements,
    AnnouncementState,
    CopyState,
    Outbox,
    OutboxRow,
)
from synapse_capgroups.storage.approval import Approval
from synapse_capgroups.storage.assignments import (
    AssignedRow,
    Assignment,
    AssignmentRows,
    Assignments,
    AssignmentState,
    Target,
    Targets,
)
from synapse_capgroups.storage.chats import Chats
from synapse_capgroups.storage.code_invitations import CodeInvitations
from synapse_capgroups.storage.code_uses import CodeUses
from synapse_capgroups.storage.codes import Code, Codes, Page
from synapse_capgroups.storage.database import lock_room, migrate_alone
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.dead_ends import DeadEndRooms
from synapse_capgroups.storage.forgetting import ROOM_TABLES, Forgetting
from synapse_capgroups.storage.groups import Groups
from synapse_capgroups.storage.living_codes import CodeSlice, LivingCodes
from synapse_capgroups.storage.news import News
from synapse_capgroups.storage.notices import Notices
from synapse_capgroups.storage.readers import Readers
from synapse_capgroups.storage.registration_tokens import RegistrationTokens
from synapse_capgroups.storage.remote_invitations import RemoteInvitations
from synapse_capgroups.storage.report_counts import ReportCounts
from synapse_capgroups.storage.requests import Requests
from synapse_capgroups.storage.seats import RESERVATION_MS, Hold, Seats
from synapse_capgroups.storage.series import SeriesGroup, SeriesGroups, SeriesHelpers, SeriesRows
from synapse_capgroups.storage.series_counts import SeriesCounts
from synapse_capgroups.storage.series_spaces import SeriesSpaces
from synapse_capgroups.storage.situations import Situations
from synapse_capgroups.storage.slices import Slice
from synapse_capgroups.storage.stored_of_person import StoredOfPerson
from synapse_capgroups.storage.sweeps import Sweeps
from synapse_capgroups.storage.together import together
from synapse_capgroups.storage.visits import Visits
from synapse_capgroups.storage.would_be import WouldBe, WouldBeRows
from tests.conftest import API, Server, Starter, eventually
from tests.test_rule_15_forgetting import purge

pytestmark = pytest.mark.both_engines

ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgres"])


@ENGINES
def test_the_tables_are_made_at_the_first_start_and_kept_at_the_next(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={})
    creator = server.person()
    creator.new_room()
    before = server.query("SELECT * FROM capgroups_admissions")
    assert len(before) == 1
    assert server.query("SELECT version FROM capgroups_schema") == [(schema.SCHEMA_VERSION,)]
    server.homeserver.stop()
    server.homeserver.start()
    assert server.query("SELECT * FROM capgroups_admissions") == before
    assert server.query("SELECT version FROM capgroups_schema") == [(schema.SCHEMA_VERSION,)]


@ENGINES
def test_tables_of_a_newer_version_stop_the_start_with_a_clear_message(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={})
    server.homeserver.stop()
    newer = schema.SCHEMA_VERSION + 1
    server.query("UPDATE capgroups_schema SET version = ?", newer)
    try:
        server.homeserver.start()
    except StartError as e:
        output = e.output
    else:  # It may have answered once before it looked into the database.
        assert server.homeserver.returncode(timeout=20) == 1
        output = server.homeserver.output()
    assert f"the tables in this database have version {newer}" in output
    assert "Install the newer version" in output


def test_all_tables_are_named_after_the_module(server: Server, plain_server: Server) -> None:
    def tables(on: Server) -> set[str]:
        where = (
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            if on.engine == "sqlite"
            else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        # Synapse makes temporary tables while it starts.
        return {name for (name,) in on.query(where) if not name.startswith("_temp")}

    ours = tables(server) - tables(plain_server)
    assert ours == {
        "capgroups_schema", "capgroups_seats", "capgroups_admissions", "capgroups_groups",
        "capgroups_codes", "capgroups_code_uses", "capgroups_visits", "capgroups_chats",
        "capgroups_code_invitations", "capgroups_aliases", "capgroups_accounts",
        "capgroups_server_rooms", "capgroups_dead_ends", "capgroups_remote_invitations",
        "capgroups_series", "capgroups_series_groups", "capgroups_series_helpers",
        "capgroups_series_spaces", "capgroups_announcements", "capgroups_outbox",
        "capgroups_assignments", "capgroups_assignment_groups", "capgroups_assignment_rows",
        "capgroups_approval", "capgroups_requests", "capgroups_told", "capgroups_notices",
        "capgroups_would_be", "capgroups_owner_notices", "capgroups_owner_outbox",
        "capgroups_readers", "capgroups_news", "capgroups_nearly_full",
        "capgroups_console_links", "capgroups_console_sessions",
        "capgroups_console_widgets", "capgroups_group_counts", "capgroups_group_changes",
    }  # fmt: skip


def test_several_processes_that_start_together_make_the_tables_once(postgres: Postgres) -> None:
    section = postgres.create_database("capgroups_together")

    def migrate(_: int) -> None:
        arguments = postgres.arguments("capgroups_together")
        connection: Any = psycopg2.connect(**arguments)
        with connection, connection.cursor() as cursor:
            txn = _transaction(cursor, section)
            txn.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            migrate_alone(txn)
        connection.close()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(migrate, range(12)))
    connection = psycopg2.connect(**postgres.arguments("capgroups_together"))
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT version FROM capgroups_schema")
        assert cursor.fetchall() == [(schema.SCHEMA_VERSION,)]
    connection.close()


@given(
    st.dictionaries(
        st.sampled_from(["@a:s", "@b:s", "@ba:s", '@"a:s', "@a:s:1"]) | st.text(),
        st.lists(st.text("ab:[].\\é 😀").map("!".__add__)) | st.none() | st.integers(),
    )
)
@settings(max_examples=300)
def test_postgres_finds_the_direct_chats_with_one_person_without_reading_them_all(
    account_data: Any, direct: dict[str, object]
) -> None:
    account_data.execute("DELETE FROM account_data")
    account_data.execute(
        "INSERT INTO account_data VALUES ('@me:s', 'm.direct', ?)", (json_encoder.encode(direct),)
    )
    for other in ("@a:s", "@b:s", "@nobody:s"):
        listed = AccountData.listed_as_direct(account_data, "@me:s", other)
        assert listed_rooms(listed) == listed_rooms(direct.get(other))


@pytest.fixture(scope="module")
def account_data(postgres: Postgres) -> Iterator[LoggingTransaction]:
    section = postgres.create_database("capgroups_account_data")
    arguments = postgres.arguments("capgroups_account_data")
    connection: Any = psycopg2.connect(**arguments)
    with connection, connection.cursor() as cursor:
        txn = _transaction(cursor, section)
        txn.execute(
            "CREATE TEMPORARY TABLE account_data "
            "(user_id TEXT, account_data_type TEXT, content TEXT)"
        )
        yield txn
    connection.close()


def _transaction(cursor: Any, section: dict[str, Any]) -> LoggingTransaction:
    return LoggingTransaction(
        txn=cursor, name="test", server_name="localhost",
        database_engine=PostgresEngine({**section, "allow_unsafe_locale": True}),
        after_callbacks=[], async_after_callbacks=[], exception_callbacks=[],
    )  # fmt: skip


class Planner:
    """Takes a transaction's place and asks SQLite how it runs each statement. Nothing stays."""

    database_engine = None

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self.steps: list[str] = []

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> None:
        plan = self._connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
        self.steps.extend(step for _, _, _, step in plan)
        self._cursor.execute(sql, parameters)

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def description(self) -> Any:
        return self._cursor.description

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)


@ENGINES
def test_groups_are_counted_by_mode_without_reading_them_all(start: Starter, engine: str) -> None:
    """What each change adds to the counts is right, whenever a sweep takes it in."""
    server = start(engine, module={"cap": 4, "code_limit": 3})
    admin = server.person(admin=True)
    counts: dict[str, int] = {}

    def are_kept() -> bool:
        kept = server.query(
            """
            SELECT mode, SUM(number) FROM (
                SELECT mode, number FROM capgroups_group_counts
                UNION ALL SELECT mode, change FROM capgroups_group_changes
            ) AS of_mode GROUP BY mode HAVING SUM(number) <> 0
            """
        )
        there = server.query("SELECT mode, COUNT(*) FROM capgroups_groups GROUP BY mode")
        return {mode: int(number) for mode, number in kept} == dict(there) == counts

    open_room, _ = server.group(1)
    growing, (creator, *_) = server.group(2)
    counts["open"] = 2
    assert eventually(are_kept)
    server.admit(growing, creator, server.person())
    counts |= {"open": 1, "friends": 1}
    assert eventually(are_kept)
    friend = server.person()
    server.admit(growing, creator, friend, as_friend=True)
    counts.update(full=counts.pop("friends"))
    assert eventually(are_kept)
    expect(friend.leave(growing))
    server.admit(growing, creator, server.person(), as_friend=True)
    server.homeserver.stop()
    server.homeserver.start()  # sweeps at once
    changes = "SELECT * FROM capgroups_group_changes"
    assert eventually(lambda: server.query(changes) == [] and are_kept())
    purge(admin, open_room)
    server.homeserver.stop()
    server.homeserver.start()
    del counts["open"]
    assert eventually(are_kept)
    assert eventually(
        lambda: (
            {
                mode: server.homeserver.metrics().get(f'capgroups_groups{{mode="{mode}"}}')
                for mode in ("open", "friends", "full")
            }
            == {"open": 0, "friends": 0, "full": 1}
        )
    )


DRAFT = Announcement("a", "s", "@a", {}, False, False, AnnouncementState.DRAFT, 1, "!r", 5)
OUTBOX_ROW = OutboxRow("a", "!r", 1, "m", CopyState.DUE, 0, 0, 0, None, None, None, None, None)


ASSIGNMENT = Assignment("a", "s", "@a", "x", AssignmentState.PLANNED, 5)
TARGET = Target("a", 1, None, "{}", True, False)
CODES = CodeSlice("a", "f")

STATEMENTS: list[Callable[[Any], object]] = [
    lambda txn: Seats.taken_by_others(txn, "!r", "@a", 5, "%:localhost"),
    lambda txn: Seats.attempt(txn, "!r", "@a", 5),
    lambda txn: Seats.members(txn, "!r"),
    lambda txn: Seats.any_for_invitation(txn, "!r", "@a", 5),
    lambda txn: RemoteInvitations.any(txn),
    lambda txn: RemoteInvitations.of_group(txn, "!r"),
    lambda txn: RemoteInvitations.of_person(txn, "@a"),
    lambda txn: RemoteInvitations.longest_unjudged(txn, 5, 200),
    lambda txn: RemoteInvitations.judged(txn, "!r", "@a", 5),
    lambda txn: RemoteInvitations.is_open(txn, "!r", "@a"),
    lambda txn: RemoteInvitations.remove(txn, "!r", "@a"),
    lambda txn: PowerTables.of(txn, "!r"),
    lambda txn: Approval.is_on(txn, "!r"),
    lambda txn: Approval.set_by(txn, "!r"),
    lambda txn: Approval.hand_on(txn, "!r", "!s"),
    lambda txn: Approval.turn_off(txn, "!r"),
    lambda txn: Requests.add(txn, "!r", "@a", "c", 5),
    lambda txn: Requests.by_number(txn, 5),
    lambda txn: Requests.latest_of(txn, "!r", "@a"),
    lambda txn: SeriesGroups.known_to_be_full(txn, ("s", 5), 5),
    lambda txn: Requests.move(txn, 5, "!r"),
    lambda txn: Requests.latest_of_series(txn, "s-1", "@a"),
    lambda txn: Requests.count_waiting_by_code(txn, "c", 5),
    lambda txn: Requests.count_waiting_of(txn, "@a", 5),
    lambda txn: Requests.page(txn, "!r", (5, 5), 5),
    lambda txn: Requests.groups_of_member(txn, "@a"),
    lambda txn: Requests.answer(txn, 5, "@a", 5, approved=True),
    lambda txn: Requests.reopen(txn, "!r", "@a", 5),
    lambda txn: Requests.end(txn, 5),
    lambda txn: Requests.waiting_since_before(txn, 5, 5),
    lambda txn: Requests.forget_answered(txn, 5),
    lambda txn: Notices.forget(txn, 5),
    lambda txn: Notices.sent_since(txn, ["@a", "@b"], 5),
    lambda txn: Notices.told_until(txn, "!r", "@a"),
    lambda txn: Chats.among(txn, ["@a", "@b"]),
    lambda txn: Chats.person_of(txn, "!r"),
    lambda txn: Chats.room_ids(txn, "!r", 5),
    lambda txn: Chats.rooms_without_a_row(txn, "@a", 5),
    lambda txn: Readers.quiet_among(txn, ["@a", "@b"]),
    lambda txn: Readers.told_at(txn, "@a"),
    lambda txn: Readers.language(txn, "@a"),
    lambda txn: Readers.forget(txn, 5),
    lambda txn: News.find_dead_codes(txn, 5, 5),
    lambda txn: News.find_arrivals(txn, 5, 5),
    lambda txn: News.find_newcomers(txn, 5, 5),
    lambda txn: News.fillings(txn, 5, 5, 5),
    lambda txn: News.is_well_below(txn, "!r", NewsKind.NEAR_CAP),
    lambda txn: News.next_reader(txn, 5),
    lambda txn: News.put_off(txn, "@a", 5),
    lambda txn: News.take(txn, "@a", 5, 5),
    lambda txn: Admissions.came_by_codes(txn, "@a", 5, 5),
    lambda txn: Admissions.some_who_came(txn, "@a", "!r", (5, 5), 5),
    lambda txn: DeadCodes.is_ended_by_sharer(txn, "c"),
    lambda txn: RegistrationTokens.given_since(txn, "@a", 5),
    lambda txn: RegistrationTokens.give(txn, "c", "t", 5),
    lambda txn: RegistrationTokens.is_carried(txn, "c"),
    lambda txn: RegistrationTokens.usable(txn, "c", 5),
    lambda txn: RegistrationTokens.of_dead(txn, 5),
    lambda txn: RegistrationTokens.of_all(txn, 5),
    lambda txn: RegistrationTokens.ended_before(txn, 5, 5),
    lambda txn: RegistrationTokens.end(txn, "c", 5),
    lambda txn: RegistrationTokens.forget(txn, "c"),
    lambda txn: RegistrationTokens.remove_all(txn),
    lambda txn: PowerTables.levels(txn, "!r"),
    lambda txn: Notices.news(txn, "!r", "@a", 5),
    lambda txn: Notices.forget_if_nobody_waits(txn, "!r"),
    lambda txn: Notices.groups_with_news(txn, "!r", 5),
    lambda txn: Notices.groups_with_news_of(txn, "@a"),
    lambda txn: Notices.all_told(txn, "!r", 5, 5),
    lambda txn: Notices.untold_answers(txn, 5, 5),
    lambda txn: Notices.answer_told(txn, 5, 5),
    lambda txn: attempts.forget_expired_of(txn, "!r", "@a", 5),
    lambda txn: Situations.of(txn, "!r", "@a", None, 5, "%:localhost"),
    lambda txn: Situations.of(txn, "!r", "@a", "@b", 5, "%:localhost"),
    lambda txn: attempts.release(txn, "!r", "@a", Hold("a")),
    lambda txn: attempts.rooms_to_clear(txn, 5),
    lambda txn: attempts.forget_expired_in(txn, "!r", 5),
    lambda txn: attempts.strike(txn, "!r", "@a", 5),
    lambda txn: Admissions.vouches(txn, "@a", 5),
    lambda txn: [Groups.meet(txn, "!r", mode) for mode in Mode],
    lambda txn: Groups.count_by_mode(txn),
    lambda txn: Groups.forget(txn, "!r"),
    lambda txn: Codes.by_id(txn, "c"),
    lambda txn: Codes.among(txn, ["c", "d"]),
    lambda txn: Codes.by_secret(txn, "s"),
    lambda txn: Codes.by_door(txn, "!d"),
    lambda txn: Codes.with_sharer(txn, "c"),
    lambda txn: Codes.page(txn, "!r", Page(5, (5, "c"))),
    lambda txn: Codes.living_sharers(txn, "!r"),
    lambda txn: LivingCodes.slice_after(txn, "a", 5),
    lambda txn: LivingCodes.marked(txn, CODES),
    lambda txn: LivingCodes.judged(txn, {"c": "x"}),
    lambda txn: Codes.set_door(txn, "c", "!d"),
    lambda txn: DeadCodes.address_is_moved(txn, "c", 5),
    lambda txn: DeadCodes.kill_of_sharer(txn, "!r", "@a", Reason.CODE_REVOKED, 5),
    lambda txn: Codes.count_living(txn, "!r", "@a"),
    lambda txn: DeadCodes.kill(txn, "c", Reason.CODE_REVOKED, 5),
    lambda txn: DeadCodes.kill_of_group(txn, "!r", Reason.CODE_CLOSED, 5),
    lambda txn: DeadCodes.kill_if_used_up(txn, "c", 5),
    lambda txn: LivingCodes.groups_to_close(txn, CODES),
    lambda txn: count_use(txn, "c", "@a", 5),
    lambda txn: take_back_use_of_time(txn, "c", "@a", 5),
    lambda txn: CodeUses.has(txn, "c", "@a"),
    lambda txn: CodeInvitations.others(txn, "c", "@a"),
    lambda txn: CodeInvitations.code_of(txn, "!r", "@a"),
    lambda txn: CodeInvitations.remove(txn, "!r", "@a"),
    lambda txn: Aliases.of(txn, "!r", "@a"),
    lambda txn: Aliases.names_in(txn, "!r"),
    lambda txn: Within.names_of_members(txn, "!r"),
    lambda txn: Within.names_of(txn, "!r", ["@a", "@b"]),
    lambda txn: Profiles.time_zone(txn, "@a:s"),
    lambda txn: AccountData.m_directs(txn, ["@a", "@b"]),
    lambda txn: Memberships.present_in(txn, ["!r", "!s"]),
    lambda txn: Users.verified_contacts(txn, "@a"),
    lambda txn: Visits.any_at(txn, "!d"),
    lambda txn: DeadCodes.close_again(txn, "!d"),
    lambda txn: sweep_codes(txn, CODES, 5),
    lambda txn: Codes.to_clear_up(txn, 5, 5, 5),
    lambda txn: DeadCodes.door_is_closed(txn, "a", 5, 6),
    lambda txn: DeadCodes.departure_matters(txn, "!r", "@a"),
    lambda txn: Codes.without_door(txn, 5, 5),
    lambda txn: DeadEndRooms.of_cause(txn, Reason.CODE_REVOKED),
    lambda txn: DeadEndRooms.cause(txn, "!r"),
    lambda txn: DeadEndRooms.deleted(txn, "@concierge"),
    lambda txn: DeadEndRooms.forget(txn, Reason.CODE_REVOKED),
    lambda txn: DeadCodes.address_is_lost(txn, Reason.CODE_REVOKED),
    lambda txn: DeadEndRooms.keep(txn, Reason.CODE_REVOKED, "!r"),
    lambda txn: DeadEndRooms.abandoned_addresses(txn, "", 5),
    lambda txn: DeadCodes.to_forget(txn, 5, 5),
    lambda txn: DeadCodes.forget(txn, ["c", "d"]),
    lambda txn: Users.is_support(txn, "@a"),
    lambda txn: StateHistory.latest_stream_ordering(txn),
    lambda txn: StateHistory.became_state(txn, "$e"),
    lambda txn: StateHistory.came_by(txn, "!r", "@a", "$e"),
    lambda txn: StateHistory.rights_since(txn, "!r", 5),
    lambda txn: StateHistory.was_out_since(txn, "!r", "@a", place=5, time=5, by_others=True),
    lambda txn: StateHistory.was_out_since(txn, "!r", "@a", place=None, time=5, by_others=False),
    lambda txn: Visits.due(txn, 5),
    lambda txn: Visits.unnoticed(txn, "@concierge", CODES),
    lambda txn: Chats.with_person(txn, "@a"),
    lambda txn: Chats.page(txn, "@a", 5),
    lambda txn: Chats.remove(txn, "@a", "!r"),
    lambda txn: Chats.shut(txn, "@a", "!r"),
    lambda txn: Accounts.made_at(txn, "@a"),
    lambda txn: Accounts.all_claimed(txn),
    lambda txn: Users.is_support(txn, "@a"),
    lambda txn: Admissions.latest(txn, "!r", 5),
    lambda txn: Memberships.joined_rooms(txn, "@a"),
    lambda txn: Memberships.any_remote(txn, "!r", "b"),
    lambda txn: Visits.end(txn, "!d", "@a"),
    lambda txn: Memberships.membership(txn, "!r", "@a"),
    lambda txn: Memberships.is_member(txn, "!r", "@a"),
    lambda txn: Users.is_guest(txn, "@a"),
    lambda txn: Users.somebody_can_log_in(txn, "@a"),
    lambda txn: Users.is_application_service_user(txn, "@a"),
    lambda txn: AccountData.m_direct(txn, "@a"),
    lambda txn: AccountData.listed_as_direct(txn, "@a", "@b"),
    lambda txn: AccountData.listed_by_one(txn, "@a", "@b"),
    lambda txn: RoomsOfTwo.among(txn, ["!r", "!s"], "@a", "@b"),
    lambda txn: Memberships.present(txn, "!r", 3),
    lambda txn: StateHistory.joined_since(txn, "!r", "@a"),
    lambda txn: DirectoryTables.is_listed(txn, "!r"),
    lambda txn: DirectoryTables.has_address(txn, "!r"),
    lambda txn: Memberships.known_rooms(txn, ["!r", "!s"]),
    lambda txn: AccountData.is_invited_as_direct(txn, "!r", "@a"),
    lambda txn: AccountData.m_direct_versions(txn, ["@a", "@b"]),
    lambda txn: RoomsOfTwo.latest(txn, "@a", 5),
    lambda txn: RoomsOfTwo.with_m_direct(txn, "@a", 5),
    lambda txn: Announcements.draft(txn, DRAFT),
    lambda txn: Announcements.by_id(txn, "a"),
    lambda txn: Announcements.drafted_in(txn, "@a", "!r"),
    lambda txn: Announcements.latest(txn, "s", "@a"),
    lambda txn: Announcements.page(txn, "s", 5, (5, "a")),
    lambda txn: Announcements.count_since(txn, "s", 5),
    lambda txn: Announcements.confirm(txn, "a", 5),
    lambda txn: Announcements.edit(txn, DRAFT),
    lambda txn: Announcements.delete(txn, DRAFT),
    lambda txn: Announcements.go_on(txn, DRAFT),
    lambda txn: Announcements.done(txn, "a"),
    lambda txn: Announcements.unfinished(txn, 5),
    lambda txn: Announcements.outdated(txn, drafted=5, confirmed=5),
    lambda txn: Announcements.forget(txn, ["a"]),
    lambda txn: Announcements.forget_author(txn, "@a"),
    lambda txn: Announcements.forget_series(txn, "s"),
    lambda txn: Outbox.of(txn, "a", "!r"),
    lambda txn: Outbox.unfinished(txn, "a", 5),
    lambda txn: Outbox.begin(txn, OUTBOX_ROW, 1, now=5, place=5),
    lambda txn: Outbox.arrived(txn, OUTBOX_ROW, "$e"),
    lambda txn: Outbox.finish(txn, OUTBOX_ROW),
    lambda txn: Outbox.fail(txn, OUTBOX_ROW, Undelivered.BROKEN),
    lambda txn: Outbox.deleted(txn, OUTBOX_ROW),
    lambda txn: Outbox.all_due(txn, "a"),
    lambda txn: Outbox.drop_unsent(txn, "a"),
    lambda txn: Outbox.retry(txn, "a"),
    lambda txn: Outbox.counts(txn, "a"),
    lambda txn: Outbox.incomplete(txn, "a", after=5, most=5),
    lambda txn: Outbox.reach(txn, "s", "@a"),
    lambda txn: Messages.marked(txn, "!r", "@a", 5, "key", "value"),
    lambda txn: Messages.with_edits(txn, "$e", "@a"),
    lambda txn: Messages.content(txn, "!r", "@a", "$e"),
    lambda txn: Messages.is_encrypted(txn, "!r"),
    lambda txn: Messages.pinned(txn, "!r"),
    lambda txn: Forgetting.deactivate(txn, "@a", 5),
    lambda txn: Forgetting.is_erased(txn, "@a"),
    lambda txn: Forgetting.erase(txn, "@a"),
    lambda txn: Forgetting.erased_accounts(txn, "@a", 5),
    lambda txn: LivingCodes.deactivated_sharers(txn, CODES),
    lambda txn: Forgetting.deactivated_requesters(txn, "@a", 5),
    lambda txn: Forgetting.chats_of_deactivated(txn, "@a", 5),
    lambda txn: [Forgetting.deleted_rooms(txn, table, "!r", 5) for table in ROOM_TABLES],
    lambda txn: Forgetting.delete_room(txn, "!r", 5),
    lambda txn: Forgetting.small_groups(txn, "!r", 5),
    lambda txn: Forgetting.people_on_record(txn, "!r"),
    lambda txn: Forgetting.strike_group(txn, "!r"),
    lambda txn: Forgetting.old_admissions(txn, 5, 5),
    lambda txn: WouldBeRows.add(txn, {WouldBe("2026-11-29", "full", "join", "!r"): 1}),
    lambda txn: WouldBeRows.forget(txn, "2026-11-29"),
    lambda txn: ReportCounts.oldest(txn),
    lambda txn: ReportCounts.growth(txn, 5),
    lambda txn: ReportCounts.growth_of_group(txn, "!r", 5),
    lambda txn: ReportCounts.vouchers(txn, 5, 5),
    lambda txn: ReportCounts.vouchers_of_group(txn, "!r", 5),
    lambda txn: ReportCounts.brought(txn, 5, 5),
    lambda txn: ReportCounts.living_codes(txn, 5),
    lambda txn: ReportCounts.dead_codes(txn, 5, 5),
    lambda txn: ReportCounts.codes_of_group(txn, "!r", 5),
    lambda txn: ReportCounts.series(txn),
    lambda txn: ReportCounts.requests(txn, 5),
    lambda txn: ReportCounts.requests(txn, 5, "!r"),
    lambda txn: ReportCounts.remote_invitations(txn),
    lambda txn: ReportCounts.remote_invitations(txn, "!r"),
    lambda txn: ReportCounts.would_be(txn, "2026-11-29"),
    lambda txn: ReportCounts.would_be_by_room(txn, "2026-11-29", 5),
    lambda txn: ReportCounts.would_be_of_group(txn, "!r"),
    lambda txn: StoredOfPerson.of(txn, "@a", 5),
    lambda txn: AccountData.content(txn, "@a", "m.direct"),
    lambda txn: Within.members(txn, "!r", 5),
    lambda txn: Within.members_page(txn, "!r", "@a:s", 5),
    lambda txn: Admissions.page(txn, "!r", (5, "@a:s"), 5),
    lambda txn: Admissions.latest_of(txn, "!r", ["@a:s"]),
    lambda txn: Admissions.growth(txn, "!r", 5),
    lambda txn: AllRooms.one(txn, "localhost", "!r"),
    lambda txn: AllRooms.page(txn, "localhost", "!r", 5),
    lambda txn: AllRooms.federating(txn, ["!r"]),
    lambda txn: AllRooms.names(txn, ["!r"]),
    lambda txn: SeriesRows.by_id(txn, "s"),
    lambda txn: SeriesRows.run_by(txn, "s", "@a"),
    lambda txn: SeriesRows.of_organiser(txn, "@a"),
    lambda txn: SeriesRows.of_helper(txn, "@a"),
    lambda txn: SeriesRows.choose_model(txn, "!r"),
    lambda txn: SeriesRows.forget(txn, "s"),
    lambda txn: SeriesRows.ended_before(txn, 5),
    lambda txn: SeriesRows.living_after(txn, "s", 5),
    lambda txn: SeriesRows.deactivated_organisers(txn, "@a", 5),
    lambda txn: SeriesHelpers.remove(txn, "s", "@a"),
    lambda txn: SeriesHelpers.leaving(txn, "s"),
    lambda txn: SeriesHelpers.gone(txn, "s", "@a"),
    lambda txn: SeriesHelpers.of(txn, "s"),
    lambda txn: SeriesGroups.of(txn, "s"),
    lambda txn: SeriesGroups.of_room(txn, "!r"),
    lambda txn: SeriesGroups.count_and_last(txn, "s"),
    lambda txn: SeriesGroups.replace_room(txn, "!r", "!s"),
    lambda txn: SeriesGroups.standings(txn, "s", "@a"),
    lambda txn: SeriesGroups.seats_of(txn, "s", "@a", 5),
    lambda txn: SeriesSpaces.of(txn, "s"),
    lambda txn: SeriesSpaces.series_of(txn, "!r"),
    lambda txn: SeriesSpaces.standings(txn, "s", ["@a"]),
    lambda txn: SeriesCounts.came(txn, "s", ["@a"], 5),
    lambda txn: SeriesCounts.members(txn, "s"),
    lambda txn: SeriesCounts.in_several(txn, "s", ["@a"], "", 5),
    lambda txn: SeriesCounts.sample(txn, "!r", "a", 5),
    lambda txn: SeriesCounts.joined_among(txn, "!r", ["@a"]),
    lambda txn: Codes.pass_on(txn, "s", "@a", "@b"),
    lambda txn: Users.ignores(txn, "@a", "@b"),
    lambda txn: Users.kinds(txn, ["@a"]),
    lambda txn: Outside.invited(txn, "!r", "%"),
    lambda txn: Outside.removed_from(txn, ["!r"]),
    lambda txn: SeriesGroups.maybe_with_place(txn, "s", 5),
    lambda txn: SeriesGroups.not_made(txn, "s", 1, 5),
    lambda txn: SeriesGroups.give_label(txn, "s", 1, "x"),
    lambda txn: SeriesGroups.reserve_again(txn, SeriesGroup("s", 1, None, 1, 1, False, "x")),
    lambda txn: Assignments.by_id(txn, "a"),
    lambda txn: Assignments.of_series(txn, "s", 5),
    lambda txn: Assignments.old_plans(txn, "s", 5),
    lambda txn: Assignments.progress(txn, ASSIGNMENT),
    lambda txn: Assignments.set_state(txn, "a", AssignmentState.DONE),
    lambda txn: Assignments.under_way(txn),
    lambda txn: Assignments.created_before(txn, 5),
    lambda txn: Assignments.forget(txn, ["a"]),
    lambda txn: Assignments.forget_series(txn, "s"),
    lambda txn: Assignments.forget_person(txn, "@a"),
    lambda txn: Targets.of(txn, "a"),
    lambda txn: Targets.by_number(txn, "a", 1),
    lambda txn: Targets.made(txn, TARGET, "!r"),
    lambda txn: Targets.replace_room(txn, "!r", "!s"),
    lambda txn: Targets.reserve(txn, TARGET, reserved=True),
    lambda txn: AssignmentRows.due(txn, "a", 5),
    lambda txn: AssignmentRows.is_due(txn, AssignedRow("a", "@a", 1)),
    lambda txn: AssignmentRows.end(txn, AssignedRow("a", "@a", 1), 5),
    lambda txn: AssignmentRows.failures(txn, "a", "", 5),
    lambda txn: AssignmentRows.invitations_since(txn, "@a", ["@b"], 5),
]


def test_every_query_runs_by_an_index(start: Starter) -> None:
    server = start(module={})
    server.homeserver.stop()
    connection = sqlite3.connect(server.homeserver.folder / "homeserver.db")
    for statement in STATEMENTS:
        planner = Planner(connection)
        statement(planner)
        assert planner.steps
        for step in planner.steps:
            # No tables: the union that is counted, a person's one membership, a constant, a slice
            # of a table, a person's rooms, two or three people in one, its changes.
            passing = (
                "SCAN taken", "SCAN own", "SCAN CONSTANT ROW", "SCAN history",
                "SCAN erased", "SCAN chat", "SCAN mine", "SCAN two", "SCAN three", "SCAN changes",
                # More slices.
                "SCAN part", "SCAN address", "SCAN request", "SCAN person",
                # A person's rooms, and who came into a series, by index themselves.
                "SCAN known", "SCAN people",
                # A row.
                "SCAN always", "SCAN own LEFT-JOIN",
                # What a report counts: each series; dead codes and a page's rooms, by index.
                "SCAN every", "SCAN dead", "SCAN m",
                # A table with as many rows as codes have ways to die, and one with as many as
                # groups have modes; what has happened since the last sweep.
                "SCAN dead_end", "SCAN capgroups_dead_ends", "SCAN capgroups_group_counts",
                "SCAN capgroups_group_changes",
            )  # fmt: skip
            by_index = not step.startswith("SCAN") or "INDEX" in step or step in passing
            assert by_index, step
    connection.close()


@pytest.mark.parametrize("engine", ["postgres"])
def test_a_join_that_is_written_while_a_situation_is_read_is_seen_in_it(
    start: Starter, engine: str
) -> None:
    """Else the same person's join on another worker would be put on record a second time."""
    server = start(engine, module={"cap": 50, "code_limit": 50})
    creator = server.person()
    room = creator.new_room()
    assert server._database is not None
    section = dict(server._database)
    arguments = {k: v for k, v in section["args"].items() if not k.startswith("cp_")}
    now = int(time.time() * 1000)
    moments = 0
    while True:
        person = server.person()
        expect(creator.invite(room, person))
        connection: Any = psycopg2.connect(**arguments)
        connection.autocommit = True  # As READ COMMITTED: each statement sees what is written.
        with connection.cursor() as cursor:
            txn = _transaction(cursor, section)
            standing = Memberships.membership(txn, room, person.user_id)
            Seats.reserve(txn, room, person.user_id, standing.stream_ordering, now, now)
            interrupted = Interrupted(txn, moments, partial(joins, person, room))
            there = Situations.of(interrupted, room, person.user_id, None, now, "%")  # type: ignore[arg-type]
        connection.close()
        if not interrupted.happened:
            break
        assert there.standing.membership == "join" or there.attempt is not None, moments
        moments += 1
    assert moments >= 2


@contextlib.contextmanager
def two_at_once(
    postgres: Postgres, name: str
) -> Iterator[tuple[Any, Any, Callable[[], None], Callable[[], bool]]]:
    """Two transactions on new tables: READ COMMITTED, as the module's are.

    Yields:
        Both; what commits the first; and whether one waits for a lock of the module's.
    """
    section = postgres.create_database(name)
    arguments = postgres.arguments(name)
    first, second, watcher = (psycopg2.connect(**arguments) for _ in range(3))
    watcher.autocommit = True
    second.set_isolation_level(ISOLATION_LEVEL_READ_COMMITTED)

    def waits() -> bool:
        three.execute(
            """
            SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        )
        return three.fetchone() is not None

    with first.cursor() as one, second.cursor() as two, watcher.cursor() as three:
        writing = _transaction(one, section)
        migrate_alone(writing)
        first.commit()
        yield writing, _transaction(two, section), first.commit, waits
    for connection in (first, second, watcher):
        connection.close()


def test_a_look_that_is_sent_with_a_lock_sees_what_the_lock_waited_for(postgres: Postgres) -> None:
    with two_at_once(postgres, "capgroups_waiting") as (writing, looking, commit, waits):
        lock_room(writing, "!r")
        Approval.turn_on(writing, "!r", "@a", 5)

        def look() -> bool:
            with together(looking) as both:
                lock_room(both, "!r")
                return Approval.is_on(both, "!r")

        with ThreadPoolExecutor(1) as pool:
            seen = pool.submit(look)
            waited = eventually(waits)
            commit()
            assert waited
            assert seen.result()


def test_an_attempt_that_takes_over_an_admission_keeps_it_while_the_first_one_is_swept(
    postgres: Postgres,
) -> None:
    """The first one's process is dead. The second began a moment before the first one expired."""
    with two_at_once(postgres, "capgroups_taking_over") as (joining, sweeping, commit, waits):
        joining.execute(
            "CREATE TABLE room_memberships (room_id TEXT, user_id TEXT, membership TEXT, "
            "event_stream_ordering BIGINT)"
        )
        joining.execute(
            "CREATE TABLE current_state_events (room_id TEXT, type TEXT, state_key TEXT, "
            "event_stream_ordering BIGINT)"
        )
        now = RESERVATION_MS
        admission = Admission(
            "!r", "@a", How.INVITE, inviter="@b", inviter_was_friend=False, mode=Mode.OPEN,
            members_after=2, admitted_at=0,
        )  # fmt: skip
        Admissions.record(joining, admission)
        Seats.reserve(joining, "!r", "@a", 0, admitted_at=0, now=0)
        commit()
        lock_room(joining, "!r")
        Seats.reserve(joining, "!r", "@a", 0, admitted_at=0, now=now - 1)

        def sweep() -> list[str]:
            for room_id in (rooms := attempts.rooms_to_clear(sweeping, now)):
                attempts.forget_expired_in(sweeping, room_id, now)
            return rooms

        with ThreadPoolExecutor(1) as pool:
            swept = pool.submit(sweep)
            waited = eventually(waits)
            commit()
            assert swept.result() == ["!r"]
            assert waited
        sweeping.execute("SELECT user_id, admitted_at FROM capgroups_admissions")
        assert sweeping.fetchall() == [("@a", 0)]
        sweeping.execute("SELECT expires_at FROM capgroups_seats")
        assert sweeping.fetchall() == [(now - 1 + RESERVATION_MS,)]


@contextlib.contextmanager
def written(server: Server) -> Iterator[Any]:
    """A transaction on the tables of a server that is stopped. Nothing of it stays."""
    if server._database is None:
        lite = sqlite3.connect(server.homeserver.folder / "homeserver.db")
        yield lite.cursor()
        lite.close()
        return
    section = dict(server._database)
    connection: Any = psycopg2.connect(
        **{k: v for k, v in section["args"].items() if not k.startswith("cp_")}
    )
    with connection.cursor() as cursor:
        yield _transaction(cursor, section)
    connection.close()


@ENGINES
def test_who_came_to_a_door_unnoticed_is_found_slice_by_slice(start: Starter, engine: str) -> None:
    server = start(engine, module={})
    gone = server.person()
    server.homeserver.stop()
    with written(server) as txn:
        for code in "abcde":
            Codes.add(txn, Code(code, code, "!r", "@s", 5, 5, None))
            Codes.set_door(txn, code, f"!{code}")
        DeadCodes.kill(txn, "c", Reason.CODE_REVOKED, 5)
        people = [(code, f"@{code}", "join") for code in "abcde"]
        people += [
            ("a", "@left", "leave"),
            ("b", "@concierge", "join"),
            ("d", gone.user_id, "join"),
        ]
        for number, (code, user_id, membership) in enumerate(people):
            txn.execute(
                """
                INSERT INTO current_state_events (event_id, room_id, type, state_key, membership)
                VALUES (?, ?, 'm.room.member', ?, ?)
                """,
                (f"${number}", f"!{code}", user_id, membership),
            )
        Visits.note(txn, "!b", "@b", 5)
        txn.execute("UPDATE users SET deactivated = 1 WHERE name = ?", (gone.user_id,))
        for most in (1, 2, 4, 5):
            found, part = [], LivingCodes.slice_after(txn, "", most)
            while True:
                found += Visits.unnoticed(txn, "@concierge", part)
                if part.is_last:
                    break
                part = LivingCodes.slice_after(txn, part.until, most)
            assert sorted(found) == [("!a", "@a"), ("!d", "@d"), ("!e", "@e")]


@ENGINES
def test_who_is_deactivated_is_found_by_the_requests_that_wait(start: Starter, engine: str) -> None:
    """Their answered ones stay for a while, and would have them forgotten again each minute."""
    server = start(engine, module={})
    people = sorted(person.user_id for person in server.people(3))
    server.homeserver.stop()
    with written(server) as txn:
        for number, (user_id, answered_at) in enumerate(zip(people, (None, 7, None), strict=True)):
            txn.execute(
                """
                INSERT INTO capgroups_requests
                    (number, room_id, user_id, code_id, asked_at, answered_at)
                VALUES (?, '!r', ?, 'c', 5, ?)
                """,
                (number, user_id, answered_at),
            )
        txn.execute("UPDATE users SET deactivated = 1 WHERE name IN (?, ?)", people[:2])
        found = Forgetting.deactivated_requesters(txn, "", 5)
        assert found == Slice((people[0],), "")


@ENGINES
def test_the_sweep_looks_at_the_living_codes_slice_by_slice(start: Starter, engine: str) -> None:
    server = start(engine, module={})
    room, (sharer,) = server.group(1)
    server.homeserver.stop()
    with written(server) as txn:
        for code_id in "gcfaebd":
            Codes.add(txn, Code(code_id, code_id, room, sharer.user_id, 5, 10**15, None))
        DeadCodes.kill(txn, "d", Reason.CODE_REVOKED, 5)
        found = []
        for _ in range(4):
            part = LivingCodes.slice_after(txn, Sweeps.codes_until(txn), 4)
            found.append([code.code_id for code in LivingCodes.marked(txn, part)])
            Sweeps.look_at_codes_after(txn, part.next)
        assert found == [["a", "b", "c", "e"], ["f", "g"]] * 2

        # What is found dead is of the slice, whatever else is dead.
        nobody = "UPDATE capgroups_codes SET sharer = '@nobody:localhost' WHERE code_id IN (?, ?)"
        txn.execute(nobody, ("a", "g"))
        DeadCodes.note_deaths(txn, CodeSlice("a", "g"), 5)
        living = "SELECT code_id FROM capgroups_codes WHERE died_of IS NULL ORDER BY code_id"
        txn.execute(living)
        assert [code_id for (code_id,) in txn.fetchall()] == ["a", "b", "c", "e", "f"]
        # Those that have expired need no look.
        txn.execute("UPDATE capgroups_codes SET expires_at = 1 WHERE code_id IN ('b', 'e', 'f')")
        DeadCodes.note_expired(txn, 5, 2)
        txn.execute(living)
        assert len(txn.fetchall()) == 3
        DeadCodes.note_expired(txn, 5, 2)
        txn.execute(living)
        assert [code_id for (code_id,) in txn.fetchall()] == ["a", "c"]


@ENGINES
def test_the_sweep_leaves_a_code_alone_whose_last_use_may_still_fail(
    start: Starter, engine: str
) -> None:
    """Else a join that fails after the sweep would have used the code up all the same."""
    server = start(engine, module={})
    sharer, newcomer = server.person(), server.person().user_id
    room = sharer.new_room()
    code_id = str(server.make_code(room, sharer, max_uses=1)["code_id"])
    server.homeserver.stop()
    now = int(time.time() * 1000)
    with written(server) as txn:

        def swept(at: int, code_id: str = code_id) -> tuple[int, Reason | None]:
            sweep_codes(txn, LivingCodes.slice_after(txn, ""), at)
            code = Codes.by_id(txn, code_id)
            assert code is not None
            return code.uses, code.died_of

        def use() -> Hold:
            Admissions.record(
                txn,
                Admission(
                    room, newcomer, How.CODE, sharer.user_id, False, Mode.OPEN, 2, now, code_id, 0
                ),
            )
            count_use(txn, code_id, newcomer, now)
            return Seats.reserve(txn, room, newcomer, 0, now, now)

        hold = use()
        assert swept(now) == (1, None)
        assert attempts.release(txn, room, newcomer, hold)
        assert swept(now) == (0, None)
        use()
        txn.execute("DELETE FROM capgroups_seats")
        assert swept(now) == (1, Reason.CODE_USED_UP)

        me = sharer.user_id
        Codes.add(txn, Code("me", "secret", me, me, now, now + 2 * RESERVATION_MS, 1))
        count_use(txn, "me", newcomer, now)
        assert swept(now + 1, "me") == (1, None)
        assert swept(now + RESERVATION_MS, "me") == (1, Reason.CODE_USED_UP)


def test_a_single_statement_runs_without_a_transaction_around_it(
    start: Starter, postgres: Postgres
) -> None:
    """Two more ways to the database and back would take longer than the statement."""
    server = start("postgres", module={})
    person = server.person()
    room = person.new_room()
    assert server._database is not None
    server.homeserver.stop()
    database_name = server._database["args"]["dbname"]
    server.query(f"ALTER DATABASE {database_name} SET log_statement = 'all'")
    server.homeserver.start()
    path = f"{API}/groups/{quote(room)}"
    expect(person.call("GET", path))  # The first statement of a process looks for the tables.
    before = len(postgres.log())
    expect(person.call("GET", path))
    line = re.compile(r"\[(\d+)\] LOG: +statement: (.*?)(?=\n\d{4}-\d\d-|\Z)", re.DOTALL)
    statements = line.findall(postgres.log()[before:])
    ours = [
        i for i, (_, sql) in enumerate(statements) if sql.split()[:2] == ["SELECT", "membership"]
    ]
    assert ours
    for i in ours:
        pid = statements[i][0]
        earlier = [sql for who, sql in statements[:i] if who == pid]
        assert not earlier or not earlier[-1].startswith("BEGIN"), earlier[-1]


def joins(person: Person, room: str) -> None:
    expect(person.join(room))


class Interrupted:
    """A transaction in which something happens elsewhere before one of its statements."""

    def __init__(self, txn: LoggingTransaction, after: int, what: Callable[[], object]) -> None:
        self._txn = txn
        self._after = after
        self._what = what
        self.happened = False

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> None:
        if self._after == 0 and not self.happened:
            self._what()
            self.happened = True
        self._after -= 1
        self._txn.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._txn, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._txn)
