"""Statements on the fields of people's profiles."""

import json

from synapse.module_api import LoggingTransaction

_TIME_ZONE = ("m.tz", "us.cloke.msc4175.tz")
"""The name of the field, and that before it was accepted (MSC4175)."""


class Profiles:
    """Statements on `profiles`."""

    @staticmethod
    def time_zone(txn: LoggingTransaction, user_id: str) -> str | None:
        """The name of a local person's time zone, as they wrote it; None if they wrote none."""
        localpart = user_id[1:].partition(":")[0]
        txn.execute("SELECT fields FROM profiles WHERE user_id = ?", (localpart,))
        row = txn.fetchone()
        # PostgreSQL's driver has parsed it.
        fields = json.loads(row[0]) if row and isinstance(row[0], str) else row and row[0]
        if not isinstance(fields, dict):
            return None
        found = (fields.get(name) for name in _TIME_ZONE)
        return next((name for name in found if isinstance(name, str)), None)
