"""Lists a direct chat in a person's `m.direct`, as their client would. Friends are read there."""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.inside.locks import one_process_at_a_time
from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.storage.database import Database

M_DIRECT = "m.direct"


async def list_direct_chat(
    api: ModuleApi, database: Database, user_id: str, other: str, room_id: str
) -> None:
    """Add a chat to a local person's `m.direct`, in the list for another person.

    The list belongs to the client, so nothing is ever removed from it. Clients replace it as a
    whole: a change that a client makes at the same moment can be lost, and Synapse has no means
    against that. Additions by this module at the same moment, on any worker, are not lost.

    Raises:
        ValueError: the present list cannot be read; it stays as it is.
    """

    def look(txn: LoggingTransaction) -> dict[str, object]:
        return AccountData.m_direct_to_change(txn, user_id)

    async with one_process_at_a_time(api, "m_direct", user_id):
        # Not by `get_global`: a worker's cache may be older than another worker's change.
        direct = await database.run("m_direct", look)
        content = {**direct, other: with_chat(direct.get(other), room_id)}
        await api.account_data_manager.put_global(user_id, M_DIRECT, content)


def with_chat(listed: object, room_id: str) -> list[object]:
    """A person's list in `m.direct`, with another chat at its end."""
    if listed is None:
        return [room_id]
    chats = listed if isinstance(listed, list) else [listed]
    return chats if room_id in chats else [*chats, room_id]
