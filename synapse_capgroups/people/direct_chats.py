"""Lists a direct chat in somebody's `m.direct`, as their client would: friendship is read there."""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.inside.locks import one_process_at_a_time
from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.storage.database import Database

M_DIRECT = "m.direct"


async def list_direct_chat(
    api: ModuleApi, database: Database, user_id: str, other: str, room_id: str
) -> None:
    """Add a chat to what a local person's `m.direct` has for another.

    It belongs to the client, so it is only added to. Clients replace it as a whole: a change that
    one makes in the same moment can be lost, which Synapse offers nothing against. What this module
    adds in the same moment on any worker cannot.

    Raises:
        ValueError: what is there cannot be read, so it is left as it is.
    """

    def look(txn: LoggingTransaction) -> dict[str, object]:
        return AccountData.m_direct_to_change(txn, user_id)

    async with one_process_at_a_time(api, "m_direct", user_id):
        # Not by `get_global`: a worker may remember what another one has changed since.
        direct = await database.run("m_direct", look)
        content = {**direct, other: with_chat(direct.get(other), room_id)}
        await api.account_data_manager.put_global(user_id, M_DIRECT, content)


def with_chat(listed: object, room_id: str) -> list[object]:
    """What `m.direct` has for one person, with another chat at its end."""
    if listed is None:
        return [room_id]
    chats = listed if isinstance(listed, list) else [listed]
    return chats if room_id in chats else [*chats, room_id]
