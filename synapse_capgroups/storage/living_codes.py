"""Living codes, a slice at a time: those that the sweep of this minute looks at.

What is done with each living code would take longer with each of them. A scan judges its code by
itself, so nothing comes in by one whose turn has not come yet.
"""

from collections.abc import Mapping

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import IS_DEACTIVATED, SHARER_MARKS

MOST = 2000
"""How many codes there are in a slice. A server with fewer looks at all of them each minute."""


@attrs.frozen
class CodeSlice:
    """The living codes whose IDs come after one and not after another.

    Attributes:
        is_last: whether no living code comes after these.
    """

    after: str
    until: str
    is_last: bool = True

    @property
    def next(self) -> str:
        """After which ID the next slice begins."""
        return "" if self.is_last else self.until


@attrs.frozen
class MarkedCode:
    """A living code of a group.

    Attributes:
        judged: what `LivingCodes.judged` has noted; None if it was never judged.
        marks: see `inside.tables.conditions.SHARER_MARKS`.
    """

    code_id: str
    judged: str | None
    marks: tuple[str | None, ...]


class LivingCodes:
    """The statements on the rows of `capgroups_codes` of a slice."""

    @staticmethod
    def slice_after(txn: LoggingTransaction, after: str, most: int = MOST) -> CodeSlice:
        """The slice that begins after a code's ID; see `Sweeps.codes_until`."""
        txn.execute(
            """
            SELECT code_id FROM capgroups_codes WHERE died_of IS NULL AND code_id > ?
            ORDER BY code_id LIMIT ?
            """,
            (after, most),
        )
        found = [code_id for (code_id,) in txn.fetchall()]
        return CodeSlice(after, found[-1] if found else after, len(found) < most)

    @staticmethod
    def marked(txn: LoggingTransaction, part: CodeSlice) -> list[MarkedCode]:
        """Those that open groups, in the order of their IDs."""
        txn.execute(
            f"""
            SELECT code.code_id, code.judged_marks, {SHARER_MARKS.format(row="code")}
            FROM capgroups_codes AS code
            WHERE code.died_of IS NULL AND code.code_id > ? AND code.code_id <= ?
            AND SUBSTR(code.room_id, 1, 1) = '!'
            ORDER BY code.code_id
            """,
            (part.after, part.until),
        )
        return [
            MarkedCode(code_id, judged, tuple(marks)) for code_id, judged, *marks in txn.fetchall()
        ]

    @staticmethod
    def judged(txn: LoggingTransaction, codes: Mapping[str, str]) -> None:
        """Note by which marks codes were judged, in a short form of the caller's, by their IDs."""
        for code_id, marks in codes.items():
            txn.execute(
                "UPDATE capgroups_codes SET judged_marks = ? WHERE code_id = ?", (marks, code_id)
            )

    @staticmethod
    def groups_to_close(txn: LoggingTransaction, part: CodeSlice) -> list[str]:
        """Groups of these that may have reached the code limit: their members decide."""
        txn.execute(
            """
            SELECT DISTINCT code.room_id
            FROM capgroups_codes AS code JOIN capgroups_groups AS met ON met.room_id = code.room_id
            WHERE code.died_of IS NULL AND code.code_id > ? AND code.code_id <= ?
            AND met.mode IN ('friends', 'full')
            """,
            (part.after, part.until),
        )
        return [room_id for (room_id,) in txn.fetchall()]

    @staticmethod
    def deactivated_sharers(txn: LoggingTransaction, part: CodeSlice) -> list[str]:
        """Deactivated accounts whose codes live on."""
        txn.execute(
            f"""
            SELECT DISTINCT sharer FROM capgroups_codes AS code
            WHERE died_of IS NULL AND code_id > ? AND code_id <= ?
            AND {IS_DEACTIVATED.format(row="code", user="sharer")}
            """,
            (part.after, part.until),
        )
        return [sharer for (sharer,) in txn.fetchall()]
