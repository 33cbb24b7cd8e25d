"""Whether others list a chat with somebody in their `m.direct`, without reading it each time."""

from collections import OrderedDict
from collections.abc import Mapping

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.rules.friends import listed_rooms
from synapse_capgroups.storage.database import Database

_REMEMBERED = 2000
_MOST_ROOMS = 10
"""Of a pair; two people hardly share more, and what is remembered must stay small."""

Rooms = frozenset[str]


class OthersLists:
    """Remembers answers for as long as the owner's `m.direct` stays as it is.

    Somebody with very many direct chats has hundreds of kilobytes of it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[tuple[str, str], tuple[int, Rooms, bool]] = OrderedDict()

    async def listing(self, user_id: str, rooms: Mapping[str, Rooms]) -> frozenset[str]:
        """Those who list one of the rooms as a chat with somebody.

        Args:
            rooms: by the local people who may list them.
        """
        versions = await self._database.look_up(
            "m_direct_versions", lambda txn: AccountData.m_direct_versions(txn, rooms)
        )
        answers: dict[str, bool] = {}
        for owner, version in versions.items():
            of_version, of_rooms, answer = self._known.get((owner, user_id), (None, None, False))
            if (of_version, of_rooms) == (version, rooms[owner]):
                answers[owner] = answer
                self._known.move_to_end((owner, user_id))
        if unknown := versions.keys() - answers.keys():

            def read(txn: LoggingTransaction) -> dict[str, bool]:
                return {owner: _lists(txn, owner, user_id, rooms[owner]) for owner in unknown}

            # What is read can be newer than its version: then it is read once more the next time.
            fresh = await self._database.run("others_m_direct", read)
            answers |= fresh
            for owner, answer in fresh.items():
                self._remember(owner, user_id, (versions[owner], rooms[owner], answer))
        return frozenset(owner for owner, answer in answers.items() if answer)

    def _remember(self, owner: str, user_id: str, answer: tuple[int, Rooms, bool]) -> None:
        if len(answer[1]) <= _MOST_ROOMS:
            self._known[owner, user_id] = answer
            self._known.move_to_end((owner, user_id))
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def _lists(txn: LoggingTransaction, owner: str, other: str, rooms: Rooms) -> bool:
    return not listed_rooms(AccountData.listed_as_direct(txn, owner, other)).isdisjoint(rooms)
