"""The schema of the module's tables, and its migrations."""

from synapse.module_api import LoggingTransaction

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # The seats of joins that were allowed and may not be persisted yet.
        """
        CREATE TABLE capgroups_seats (
            room_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            after_stream_ordering BIGINT NOT NULL,
            reserved_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL,
            PRIMARY KEY (room_id, user_id)
        )
        """,
        "CREATE INDEX capgroups_seats_expiry ON capgroups_seats (expires_at)",
        # The record of who vouched for whom.
        """
        CREATE TABLE capgroups_admissions (
            room_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            how TEXT NOT NULL,
            inviter TEXT,
            inviter_was_friend BOOLEAN NOT NULL,
            mode TEXT NOT NULL,
            members_after BIGINT NOT NULL,
            admitted_at BIGINT NOT NULL
        )
        """,
        "CREATE INDEX capgroups_admissions_room ON capgroups_admissions (room_id, user_id)",
        """
        CREATE INDEX capgroups_admissions_inviter
        ON capgroups_admissions (inviter, admitted_at) WHERE mode = 'friends'
        """,
        # The groups that the module has met.
        """
        CREATE TABLE capgroups_groups (
            room_id TEXT NOT NULL PRIMARY KEY,
            mode TEXT NOT NULL
        )
        """,
        "CREATE INDEX capgroups_groups_mode ON capgroups_groups (mode)",
    ),
    (
        # Join codes, each with its door.
        """
        CREATE TABLE capgroups_codes (
            code_id TEXT NOT NULL PRIMARY KEY,
            secret TEXT NOT NULL,
            room_id TEXT NOT NULL,
            sharer TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL,
            max_uses BIGINT,
            uses BIGINT NOT NULL,
            door TEXT,
            died_of TEXT,
            died_at BIGINT,
            door_closed_at BIGINT
        )
        """,
        "CREATE UNIQUE INDEX capgroups_codes_secret ON capgroups_codes (secret)",
        "CREATE UNIQUE INDEX capgroups_codes_door ON capgroups_codes (door)",
        "CREATE INDEX capgroups_codes_room ON capgroups_codes (room_id, sharer)",
        """
        CREATE INDEX capgroups_codes_living ON capgroups_codes (expires_at)
        WHERE died_of IS NULL
        """,
        "CREATE INDEX capgroups_codes_dead ON capgroups_codes (died_at) WHERE died_of IS NOT NULL",
        """
        CREATE INDEX capgroups_codes_closing ON capgroups_codes (door)
        WHERE died_of IS NOT NULL AND door_closed_at IS NULL
        """,
        """
        CREATE TABLE capgroups_code_uses (
            code_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            used_at BIGINT NOT NULL,
            PRIMARY KEY (code_id, user_id)
        )
        """,
        # Who is at a door and is taken out of it when.
        """
        CREATE TABLE capgroups_visits (
            door TEXT NOT NULL,
            user_id TEXT NOT NULL,
            leave_at BIGINT NOT NULL,
            PRIMARY KEY (door, user_id)
        )
        """,
        "CREATE INDEX capgroups_visits_end ON capgroups_visits (leave_at)",
        # People of other servers whom a door has invited, until they join.
        """
        CREATE TABLE capgroups_code_invitations (
            room_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            code_id TEXT NOT NULL,
            PRIMARY KEY (room_id, user_id)
        )
        """,
        "CREATE INDEX capgroups_code_invitations_code ON capgroups_code_invitations (code_id)",
        "ALTER TABLE capgroups_admissions ADD COLUMN code_id TEXT",
        # What people chose to be called.
        """
        CREATE TABLE capgroups_aliases (
            room_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            displayname TEXT NOT NULL,
            avatar_url TEXT,
            PRIMARY KEY (room_id, user_id)
        )
        """,
        # The room in which the concierge talks to a person.
        """
        CREATE TABLE capgroups_chats (
            user_id TEXT NOT NULL PRIMARY KEY,
            room_id TEXT NOT NULL
        )
        """,
    ),
    (
        # A row for each attempt: those of one person may be under way in several processes, and
        # each process renews its own. What is here was decided before the start.
        "DROP TABLE capgroups_seats",
        """
        CREATE TABLE capgroups_seats (
            room_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            attempt TEXT NOT NULL PRIMARY KEY,
            after_stream_ordering BIGINT NOT NULL,
            admitted_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL
        )
        """,
        "CREATE INDEX capgroups_seats_room ON capgroups_seats (room_id, user_id)",
        "CREATE INDEX capgroups_seats_expiry ON capgroups_seats (expires_at)",
        # From which standing somebody was admitted: from one standing they are admitted once,
        # however many processes decide it at the same time. NULL in older rows.
        "ALTER TABLE capgroups_admissions ADD COLUMN after_stream_ordering BIGINT",
        """
        CREATE UNIQUE INDEX capgroups_admissions_once
        ON capgroups_admissions (room_id, user_id, after_stream_ordering)
        """,
        # What is forgotten: after a year, and with an account.
        "CREATE INDEX capgroups_admissions_age ON capgroups_admissions (admitted_at)",
        "CREATE INDEX capgroups_admissions_user ON capgroups_admissions (user_id)",
        "DROP INDEX capgroups_admissions_inviter",
        """
        CREATE INDEX capgroups_admissions_inviter
        ON capgroups_admissions (inviter, admitted_at)
        """,
        "CREATE INDEX capgroups_codes_sharer ON capgroups_codes (sharer)",
        "CREATE INDEX capgroups_code_uses_user ON capgroups_code_uses (user_id)",
        "CREATE INDEX capgroups_visits_user ON capgroups_visits (user_id)",
        "CREATE INDEX capgroups_code_invitations_user ON capgroups_code_invitations (user_id)",
        "CREATE INDEX capgroups_aliases_user ON capgroups_aliases (user_id)",
        # Accounts that the module made: any other of that name is somebody's.
        """
        CREATE TABLE capgroups_accounts (
            user_id TEXT NOT NULL PRIMARY KEY,
            made_at BIGINT NOT NULL
        )
        """,
        # Where there were tables before, an account may be the module's without being on record;
        # while there are none yet, `capgroups_schema` has no row.
        "INSERT INTO capgroups_accounts (user_id, made_at) SELECT '', 0 FROM capgroups_schema",
        # Rooms of the concierge in which nobody else can invite anybody.
        "ALTER TABLE capgroups_chats ADD COLUMN holds_two BOOLEAN NOT NULL DEFAULT FALSE",
        # Rooms that the server made for an admin, such as the notice room of a deletion.
        "CREATE TABLE capgroups_server_rooms (room_id TEXT NOT NULL PRIMARY KEY)",
        # Where the addresses of dead codes lead: one room for each cause of death.
        """
        CREATE TABLE capgroups_dead_ends (
            died_of TEXT NOT NULL PRIMARY KEY,
            room_id TEXT NOT NULL
        )
        """,
        # A code's place in the order of events, by which history is read: what came later. NULL in
        # older rows, where the time must do.
        "ALTER TABLE capgroups_codes ADD COLUMN after_stream_ordering BIGINT",
        # When a dead code's address was moved to a dead end. NULL in rows of older versions, whose
        # addresses were deleted: they get them back.
        "ALTER TABLE capgroups_codes ADD COLUMN address_moved_at BIGINT",
        """
        CREATE INDEX capgroups_codes_addresses ON capgroups_codes (died_at)
        WHERE died_of IS NOT NULL AND address_moved_at IS NULL
        """,
        "CREATE INDEX capgroups_codes_listed ON capgroups_codes (room_id, created_at, code_id)",
    ),
    (
        # A seat can be held for an invitation to a person of another server while it is sent.
        "ALTER TABLE capgroups_seats ADD COLUMN for_invitation BOOLEAN NOT NULL DEFAULT FALSE",
        # People of other servers who were invited from here, until they have answered.
        """
        CREATE TABLE capgroups_remote_invitations (
            room_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            invited_at BIGINT NOT NULL,
            judged_at BIGINT NOT NULL,
            PRIMARY KEY (room_id, user_id)
        )
        """,
        """
        CREATE INDEX capgroups_remote_invitations_user
        ON capgroups_remote_invitations (user_id)
        """,
        """
        CREATE INDEX capgroups_remote_invitations_judged
        ON capgroups_remote_invitations (judged_at)
        """,
    ),
    (
        # Series: groups of one organiser that are filled one after another.
        """
        CREATE TABLE capgroups_series (
            series_id TEXT NOT NULL PRIMARY KEY,
            organiser TEXT NOT NULL,
            name TEXT NOT NULL,
            pattern TEXT NOT NULL,
            fill BIGINT NOT NULL,
            max_groups BIGINT NOT NULL,
            model TEXT NOT NULL,
            state TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            ended_at BIGINT
        )
        """,
        "CREATE INDEX capgroups_series_organiser ON capgroups_series (organiser)",
        "CREATE INDEX capgroups_series_model ON capgroups_series (model)",
        """
        CREATE INDEX capgroups_series_end ON capgroups_series (ended_at)
        WHERE ended_at IS NOT NULL
        """,
        # `room_id` is NULL while the room is made. The key lets each number be made once.
        """
        CREATE TABLE capgroups_series_groups (
            series_id TEXT NOT NULL,
            number BIGINT NOT NULL,
            room_id TEXT,
            begun_at BIGINT NOT NULL,
            begun_after BIGINT NOT NULL,
            is_full BOOLEAN NOT NULL,
            label TEXT,
            PRIMARY KEY (series_id, number)
        )
        """,
        "CREATE UNIQUE INDEX capgroups_series_groups_room ON capgroups_series_groups (room_id)",
        """
        CREATE INDEX capgroups_series_groups_place ON capgroups_series_groups (series_id, number)
        WHERE NOT is_full AND label IS NULL
        """,
        """
        CREATE TABLE capgroups_series_helpers (
            series_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            is_leaving BOOLEAN NOT NULL DEFAULT FALSE,
            PRIMARY KEY (series_id, user_id)
        )
        """,
        # Who is helper no more, and may have power in some groups yet.
        """
        CREATE INDEX capgroups_series_helpers_leaving ON capgroups_series_helpers (series_id)
        WHERE is_leaving
        """,
        "CREATE INDEX capgroups_series_helpers_user ON capgroups_series_helpers (user_id)",
        # The rooms that show an organiser their groups as a folder.
        """
        CREATE TABLE capgroups_series_spaces (
            series_id TEXT NOT NULL,
            number BIGINT NOT NULL,
            room_id TEXT NOT NULL,
            PRIMARY KEY (series_id, number)
        )
        """,
        "CREATE UNIQUE INDEX capgroups_series_spaces_room ON capgroups_series_spaces (room_id)",
        "CREATE INDEX capgroups_seats_user ON capgroups_seats (user_id)",
        "ALTER TABLE capgroups_codes ADD COLUMN label TEXT",
        # When it is to be seen whether a closed door's room is gone: Synapse may fail to delete it.
        "ALTER TABLE capgroups_codes ADD COLUMN look_at_door_at BIGINT",
        """
        CREATE INDEX capgroups_codes_deleting ON capgroups_codes (look_at_door_at)
        WHERE look_at_door_at IS NOT NULL
        """,
        # Groups in which a moderator agrees to each newcomer, and who asked for that.
        """
        CREATE TABLE capgroups_approval (
            room_id TEXT NOT NULL PRIMARY KEY,
            set_by TEXT NOT NULL,
            set_at BIGINT NOT NULL
        )
        """,
        "CREATE INDEX capgroups_approval_set_by ON capgroups_approval (set_by)",
        # People who have scanned a code of such a group. One that waits has no answer; one that was
        # answered stays for as long as somebody may have to be told.
        """
        CREATE TABLE capgroups_requests (
            number BIGINT NOT NULL PRIMARY KEY,
            room_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            code_id TEXT NOT NULL,
            asked_at BIGINT NOT NULL,
            told_at BIGINT,
            answered_at BIGINT,
            answered_by TEXT,
            approved BOOLEAN
        )
        """,
        """
        CREATE UNIQUE INDEX capgroups_requests_waiting ON capgroups_requests (room_id, user_id)
        WHERE answered_at IS NULL
        """,
        """
        CREATE INDEX capgroups_requests_page ON capgroups_requests (room_id, asked_at, number)
        WHERE answered_at IS NULL
        """,
        """
        CREATE INDEX capgroups_requests_code ON capgroups_requests (code_id)
        WHERE answered_at IS NULL
        """,
        """
        CREATE INDEX capgroups_requests_age ON capgroups_requests (asked_at)
        WHERE answered_at IS NULL
        """,
        "CREATE INDEX capgroups_requests_room ON capgroups_requests (room_id, user_id)",
        "CREATE INDEX capgroups_requests_user ON capgroups_requests (user_id)",
        "CREATE INDEX capgroups_requests_answered ON capgroups_requests (answered_at)",
        "CREATE INDEX capgroups_requests_answered_by ON capgroups_requests (answered_by)",
        """
        CREATE INDEX capgroups_requests_untold ON capgroups_requests (room_id)
        WHERE told_at IS NULL
        """,
        # Up to which request each moderator of a group was told of those who wait.
        """
        CREATE TABLE capgroups_told (
            room_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            told_until BIGINT NOT NULL,
            PRIMARY KEY (room_id, user_id)
        )
        """,
        "CREATE INDEX capgroups_told_user ON capgroups_told (user_id)",
        # When somebody was last written to about requests, of whatever groups.
        """
        CREATE TABLE capgroups_notices (
            user_id TEXT NOT NULL PRIMARY KEY,
            sent_at BIGINT NOT NULL
        )
        """,
        "CREATE INDEX capgroups_notices_age ON capgroups_notices (sent_at)",
        # Announcements, and an outbox with a row for each group, written before anything is sent.
        """
        CREATE TABLE capgroups_announcements (
            announcement_id TEXT NOT NULL PRIMARY KEY,
            series_id TEXT NOT NULL,
            author TEXT NOT NULL,
            content TEXT,
            mention_room BOOLEAN NOT NULL,
            pin BOOLEAN NOT NULL,
            state TEXT NOT NULL,
            revision BIGINT NOT NULL,
            chat TEXT,
            created_at BIGINT NOT NULL,
            confirmed_at BIGINT,
            deleted_by TEXT
        )
        """,
        """
        CREATE INDEX capgroups_announcements_page
        ON capgroups_announcements (series_id, confirmed_at, announcement_id)
        """,
        "CREATE INDEX capgroups_announcements_author ON capgroups_announcements (author, state)",
        "CREATE INDEX capgroups_announcements_deleted_by ON capgroups_announcements (deleted_by)",
        "CREATE INDEX capgroups_announcements_age ON capgroups_announcements (confirmed_at)",
        """
        CREATE INDEX capgroups_announcements_drafts ON capgroups_announcements (created_at)
        WHERE state = 'draft'
        """,
        """
        CREATE INDEX capgroups_announcements_open ON capgroups_announcements (confirmed_at)
        WHERE state = 'sending'
        """,
        """
        CREATE TABLE capgroups_outbox (
            announcement_id TEXT NOT NULL,
            room_id TEXT NOT NULL,
            number BIGINT NOT NULL,
            marker TEXT NOT NULL,
            state TEXT NOT NULL,
            revision BIGINT NOT NULL,
            tried BIGINT NOT NULL,
            tries BIGINT NOT NULL,
            begun_at BIGINT,
            sent_after BIGINT,
            event_id TEXT,
            reason TEXT,
            beside TEXT,
            PRIMARY KEY (announcement_id, room_id)
        )
        """,
        "CREATE INDEX capgroups_outbox_room ON capgroups_outbox (room_id)",
        """
        CREATE INDEX capgroups_outbox_due ON capgroups_outbox (announcement_id, number)
        WHERE state IN ('due', 'sending')
        """,
        "CREATE INDEX capgroups_outbox_page ON capgroups_outbox (announcement_id, number)",
        # Assignments: plans, the groups that get people by them, and a row for each of the people.
        """
        CREATE TABLE capgroups_assignments (
            assignment_id TEXT NOT NULL PRIMARY KEY,
            series_id TEXT NOT NULL,
            author TEXT NOT NULL,
            hash TEXT NOT NULL,
            state TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            applied_by TEXT
        )
        """,
        """
        CREATE INDEX capgroups_assignments_page
        ON capgroups_assignments (series_id, created_at, assignment_id)
        """,
        "CREATE INDEX capgroups_assignments_author ON capgroups_assignments (author)",
        "CREATE INDEX capgroups_assignments_applied_by ON capgroups_assignments (applied_by)",
        "CREATE INDEX capgroups_assignments_age ON capgroups_assignments (created_at)",
        """
        CREATE INDEX capgroups_assignments_open ON capgroups_assignments (created_at)
        WHERE state = 'applying'
        """,
        """
        CREATE TABLE capgroups_assignment_groups (
            assignment_id TEXT NOT NULL,
            number BIGINT NOT NULL,
            room_id TEXT,
            label TEXT NOT NULL,
            is_new BOOLEAN NOT NULL,
            was_empty BOOLEAN NOT NULL,
            is_reserved BOOLEAN NOT NULL,
            PRIMARY KEY (assignment_id, number)
        )
        """,
        "CREATE INDEX capgroups_assignment_groups_room ON capgroups_assignment_groups (room_id)",
        """
        CREATE TABLE capgroups_assignment_rows (
            assignment_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            number BIGINT NOT NULL,
            state TEXT NOT NULL,
            reason TEXT,
            invited_at BIGINT,
            PRIMARY KEY (assignment_id, user_id)
        )
        """,
        """
        CREATE INDEX capgroups_assignment_rows_due
        ON capgroups_assignment_rows (assignment_id, number, user_id) WHERE state = 'due'
        """,
        """
        CREATE INDEX capgroups_assignment_rows_failed
        ON capgroups_assignment_rows (assignment_id, user_id) WHERE state = 'failed'
        """,
        "CREATE INDEX capgroups_assignment_rows_user ON capgroups_assignment_rows (user_id)",
        # What a trial would have refused, by day (as 2026-11-29) and room.
        """
        CREATE TABLE capgroups_would_be (
            day TEXT NOT NULL,
            reason TEXT NOT NULL,
            decision TEXT NOT NULL,
            room_id TEXT NOT NULL,
            times BIGINT NOT NULL,
            PRIMARY KEY (day, reason, decision, room_id)
        )
        """,
        "CREATE INDEX capgroups_would_be_room ON capgroups_would_be (room_id)",
        # What a server admin writes to the owners of groups, and a row for each of them.
        """
        CREATE TABLE capgroups_owner_notices (
            notice_id TEXT NOT NULL PRIMARY KEY,
            body TEXT NOT NULL,
            written_at BIGINT NOT NULL
        )
        """,
        """
        CREATE TABLE capgroups_owner_outbox (
            notice_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            state TEXT NOT NULL,
            PRIMARY KEY (notice_id, user_id)
        )
        """,
        """
        CREATE INDEX capgroups_owner_outbox_due ON capgroups_owner_outbox (notice_id, user_id)
        WHERE state = 'due'
        """,
        "CREATE INDEX capgroups_owner_outbox_user ON capgroups_owner_outbox (user_id)",
        # Who wants to hear nothing unasked, when somebody was told news last, or 0, and the
        # language that they write to the concierge in, unless it is the server's.
        """
        CREATE TABLE capgroups_readers (
            user_id TEXT NOT NULL PRIMARY KEY,
            is_quiet BOOLEAN NOT NULL,
            told_at BIGINT NOT NULL,
            language TEXT
        )
        """,
        # What people are to be told unasked, a row for each thing and person. What it is about is
        # the ID of a code or a room, or nothing for those who came by somebody's codes.
        """
        CREATE TABLE capgroups_news (
            user_id TEXT NOT NULL,
            kind TEXT NOT NULL,
            about TEXT NOT NULL,
            happened_at BIGINT NOT NULL,
            due_at BIGINT NOT NULL,
            PRIMARY KEY (user_id, kind, about)
        )
        """,
        "CREATE INDEX capgroups_news_due ON capgroups_news (due_at)",
        """
        CREATE INDEX capgroups_readers_age ON capgroups_readers (told_at)
        WHERE NOT is_quiet AND language IS NULL
        """,
        "CREATE INDEX capgroups_chats_room ON capgroups_chats (room_id)",
        # Groups whose owners know that they are nearly full, and of which of the two limits.
        """
        CREATE TABLE capgroups_nearly_full (
            room_id TEXT NOT NULL,
            kind TEXT NOT NULL,
            PRIMARY KEY (room_id, kind)
        )
        """,
        "ALTER TABLE capgroups_codes ADD COLUMN ended_by_sharer BOOLEAN NOT NULL DEFAULT FALSE",
        # Up to when was looked for news.
        "ALTER TABLE capgroups_schema ADD COLUMN news_until BIGINT",
        # Who may use the console: of links and tokens, only a SHA-256 is stored.
        """
        CREATE TABLE capgroups_console_links (
            user_id TEXT NOT NULL PRIMARY KEY,
            link_hash TEXT NOT NULL UNIQUE,
            expires_at BIGINT NOT NULL
        )
        """,
        "CREATE INDEX capgroups_console_links_end ON capgroups_console_links (expires_at)",
        """
        CREATE TABLE capgroups_console_sessions (
            token_hash TEXT NOT NULL PRIMARY KEY,
            session_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            opened_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL,
            UNIQUE (user_id, session_id)
        )
        """,
        "CREATE INDEX capgroups_console_sessions_end ON capgroups_console_sessions (expires_at)",
        # Of the key of somebody's widget too, only a SHA-256.
        """
        CREATE TABLE capgroups_console_widgets (
            user_id TEXT NOT NULL PRIMARY KEY,
            key_hash TEXT NOT NULL UNIQUE
        )
        """,
        # The registration token that a code carries, for how many accounts, and when it was ended.
        "ALTER TABLE capgroups_codes ADD COLUMN registration_token TEXT",
        "ALTER TABLE capgroups_codes ADD COLUMN registrations BIGINT",
        "ALTER TABLE capgroups_codes ADD COLUMN registrations_ended_at BIGINT",
        """
        CREATE INDEX capgroups_codes_registrations ON capgroups_codes (sharer, created_at)
        WHERE registrations IS NOT NULL
        """,
        """
        CREATE INDEX capgroups_codes_tokens ON capgroups_codes (died_at)
        WHERE registration_token IS NOT NULL AND registrations_ended_at IS NULL
        """,
        """
        CREATE INDEX capgroups_codes_ended_tokens ON capgroups_codes (registrations_ended_at)
        WHERE registration_token IS NOT NULL
        """,
        # When the last sweep ended.
        "ALTER TABLE capgroups_schema ADD COLUMN swept_at BIGINT",
        # Which living codes the sweep looks at next, and by which events it has judged each.
        "ALTER TABLE capgroups_schema ADD COLUMN codes_until TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE capgroups_codes ADD COLUMN judged_marks TEXT",
        "CREATE INDEX capgroups_codes_slices ON capgroups_codes (code_id) WHERE died_of IS NULL",
        """
        CREATE INDEX capgroups_codes_doorless ON capgroups_codes (created_at)
        WHERE door IS NULL AND died_of IS NULL
        """,
        """
        CREATE INDEX capgroups_series_groups_full ON capgroups_series_groups (series_id, number)
        WHERE is_full
        """,
        # How many groups have each mode: counted here, and kept from now on. What changes is
        # appended, because joins on several processes would wait for each other for a number.
        """
        CREATE TABLE capgroups_group_counts (
            mode TEXT NOT NULL PRIMARY KEY,
            number BIGINT NOT NULL
        )
        """,
        """
        INSERT INTO capgroups_group_counts (mode, number)
        SELECT mode, COUNT(*) FROM capgroups_groups GROUP BY mode
        """,
        "DROP INDEX capgroups_groups_mode",
        """
        CREATE TABLE capgroups_group_changes (
            mode TEXT NOT NULL,
            change BIGINT NOT NULL
        )
        """,
    ),
)
"""What takes the schema from each version to the next. Never edit one that was released."""

SCHEMA_VERSION = len(MIGRATIONS)


class DatabaseTooNewError(Exception):
    """The tables were written by a newer version of this module."""


def migrate(txn: LoggingTransaction) -> None:
    """Bring the tables up to date. The transaction holds the lock on the schema.

    Raises:
        DatabaseTooNewError: the tables belong to a newer version of this module.
    """
    txn.execute("CREATE TABLE IF NOT EXISTS capgroups_schema (version BIGINT NOT NULL)")
    found = version_of(txn)
    version = found or 0
    if version > SCHEMA_VERSION:
        raise DatabaseTooNewError(
            f"synapse-capgroups: the tables in this database have version {version}, and this "
            f"version of the module knows them up to {SCHEMA_VERSION}. Install the newer version "
            "of synapse-capgroups that was used here before, or restore a backup of the database "
            "from before that upgrade."
        )
    for migration in MIGRATIONS[version:]:
        for statement in migration:
            txn.execute(statement)
    if found is None:
        txn.execute("INSERT INTO capgroups_schema (version) VALUES (?)", (SCHEMA_VERSION,))
    elif version < SCHEMA_VERSION:
        txn.execute("UPDATE capgroups_schema SET version = ?", (SCHEMA_VERSION,))


def version_of(txn: LoggingTransaction) -> int | None:
    """The version of the tables that are there; None before the first."""
    txn.execute("SELECT version FROM capgroups_schema")
    row = txn.fetchone()
    return int(row[0]) if row else None
