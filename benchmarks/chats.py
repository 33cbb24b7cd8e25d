"""What a greeting and a code cost on a server where the concierge has very many chats."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import attrs

from benchmarks.decisions import NeedsPostgres
from benchmarks.engines import PostgresEngine
from benchmarks.large_database import add_chats
from benchmarks.measuring import Round, compare, in_turn, wait_for
from benchmarks.results import Figures
from benchmarks.servers import MODULE, Account, Bench, Server
from benchmarks.sizes import Sizes

_CONCIERGE = "@groups:localhost"
_IDLE_SECONDS = 3


@attrs.frozen
class Village:
    """People who have no group yet."""

    people: list[Account]


def run(bench: Bench, sizes: Sizes) -> Figures:
    engine = bench.engine
    if not isinstance(engine, PostgresEngine):
        raise NeedsPostgres("chats: their rows are made on PostgreSQL only")
    people = 1 + (sizes.chat_rounds + 1) * sizes.greeted

    def build(server: Server) -> Village:
        wait_for_updates(engine, server)
        return Village(server.accounts([f"person{n}" for n in range(people)]))

    world = bench.world(build)
    first, *others = world.contents.people
    numbers = (min(sizes.chats), max(sizes.chats))
    with ExitStack() as stack:
        servers = [stack.enter_context(bench.server(world, MODULE)) for _ in numbers]
        for server, number in zip(servers, numbers, strict=True):
            give_chats(engine, server, number, first)

        def work(server: Server, number: int) -> dict[str, Round]:
            some = others[number * sizes.greeted : (number + 1) * sizes.greeted]
            return _round(engine, server, some)

        found = in_turn(servers, sizes.chat_rounds, work)
    few, many = (f"{number:,} chats" for number in numbers)
    return Figures(
        "Very many chats with the concierge",
        f"The same module on two servers: the concierge has {few} on one and {many} on the other, "
        "made by SQL. A greeting is what somebody's first group costs more than their second one.",
        [
            compare(name, f"{many} in place of {few}", *found[name], target=1.2)
            for name in ("greeting", "code")
        ],
    )


def give_chats(engine: PostgresEngine, server: Server, number: int, owner: Account) -> None:
    """Give a server so many chats, all like that of one person who has a group.

    It is restarted, and has then looked at all of them.
    """
    server.person(owner).new_room(name="Tea")
    connection = engine.connect(server.name)
    with connection.cursor() as cursor:
        wait_for(lambda: _are_greeted(cursor, [owner]), server, seconds=60)
        server.stop()
        cursor.execute("SELECT room_id FROM capgroups_chats")
        [(chat,)] = cursor.fetchall()
        add_chats(cursor, chat, _CONCIERGE, owner.user_id, number)
    connection.close()
    engine.vacuum(server.name)
    server.start()
    _wait_until_idle(server)


def _round(engine: PostgresEngine, server: Server, people: Sequence[Account]) -> dict[str, Round]:
    greeting, second, code = Round(), Round(), Round()
    connection = engine.connect(server.name)
    groups: list[tuple[Account, str]] = []

    def make(accounts: Iterator[Account], name: str) -> None:
        account = next(accounts)
        groups.append((account, server.person(account).new_room(name=name)))

    first, again = iter(people), iter(people)
    with connection.cursor() as cursor:
        greeting.measure(
            server,
            lambda: make(first, "First"),
            times=len(people),
            done=lambda: _are_greeted(cursor, people),
        )
    connection.close()
    second.measure(server, lambda: make(again, "Second"), times=len(people))
    greeting.cpu -= second.cpu
    greeting.database_cpu -= second.database_cpu
    own = iter(groups)

    def make_code() -> None:
        account, group = next(own)
        reply = server.http.post(
            f"/_synapse/client/capgroups/v1/groups/{quote(group)}/codes",
            json={},
            headers={"Authorization": f"Bearer {account.token}"},
        )
        reply.raise_for_status()

    code.measure(server, make_code, times=len(people))
    return {"greeting": greeting, "code": code}


def wait_for_updates(engine: PostgresEngine, server: Server) -> None:
    """Wait until a new Synapse has done its background updates, or they would read all rows."""
    connection = engine.connect(server.name)
    with connection.cursor() as cursor:
        for _ in range(600):
            cursor.execute("SELECT COUNT(*) FROM background_updates")
            if cursor.fetchone() == (0,):
                break
            time.sleep(0.5)
    connection.close()


def _are_greeted(cursor: Any, people: Sequence[Account]) -> bool:
    """Whether each has a chat with a message in it."""
    cursor.execute(
        """
        SELECT COUNT(DISTINCT chat.user_id) FROM capgroups_chats AS chat
        JOIN events ON events.room_id = chat.room_id AND events.type = 'm.room.message'
        WHERE chat.user_id = ANY (%s)
        """,
        ([account.user_id for account in people],),
    )
    return bool(cursor.fetchone() == (len(people),))


def _wait_until_idle(server: Server) -> None:
    """Wait for what a start does: the concierge's chats are looked at then."""
    for _ in range(200):
        before = server.cpu() + server.database_cpu()
        time.sleep(_IDLE_SECONDS)
        if server.cpu() + server.database_cpu() - before < 0.05 * _IDLE_SECONDS:
            return
