"""A search of the user directory that finds very many people, few of them friends."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import attrs

from benchmarks.measuring import Round, compare, in_turn, wait_for
from benchmarks.results import Figures
from benchmarks.servers import MODULE, Account, Bench, Server, side_by_side
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.person import Person, Reply, expect

_FRIENDS = 10
_LIMIT = 10
"""How many results clients ask for."""
_SEARCHES = 5
"""In a round."""
_TARGET = 1.5

_AT_ONCE = {"background_updates": {"sleep_enabled": False}}
"""A new Synapse empties its directory once and fills it again, in the background, after minutes."""

LISTED = "search"
LISTED_MUCH = "search, whose friends have {rooms} chats each"
BY_FRIENDS = "search, only the friends list the chats"
BY_FRIENDS_MUCH = "search, only the friends list the chats, beside {rooms} others each"
CHANGED = "the first such search after all these lists have changed"


@attrs.frozen
class Searcher:
    """Somebody who searches, with friends of their own.

    Attributes:
        friends: each with their whole `m.direct`.
    """

    account: Account
    friends: list[tuple[Account, dict[str, list[str]]]]


def build(sizes: Sizes, server: Server) -> dict[str, Searcher]:
    """People of a town; the searchers by what is special about their friends."""
    admin = server.register("admin", admin=True)
    wait_for(partial(_is_complete, admin), server, seconds=300)
    people, robins = sizes.local_people, sizes.found_people
    # What somebody is called at first is their localpart.
    names = [f"robin{n}" for n in range(robins)] + [f"p{n}" for n in range(people - robins)]
    accounts = server.accounts(names)
    much = {
        f"@somebody{n}:{server.server_name}": [f"!chat{n}of{'x' * 30}:{server.server_name}"]
        for n in range(sizes.listed_chats)
    }
    # By whether the searcher lists the chats, and what else the friends list.
    kinds = {
        LISTED: (True, {}), LISTED_MUCH: (True, much),
        BY_FRIENDS: (False, {}), BY_FRIENDS_MUCH: (False, much),
    }  # fmt: skip
    found = {}
    for number, (kind, (lists, others)) in enumerate(kinds.items()):
        account = accounts[-1 - number]
        searcher = server.person(account)
        friends = []
        for friend in accounts[_FRIENDS * number : _FRIENDS * (number + 1)]:
            chat = searcher.befriend(server.person(friend))
            listed = dict(others) if lists else {**others, account.user_id: [chat]}
            expect(server.person(friend).set_m_direct(listed))
            friends.append((friend, listed))
        if not lists:
            expect(searcher.set_m_direct({}))
        found[kind] = Searcher(account, friends)
    return found


def run(bench: Bench, sizes: Sizes) -> Figures:
    world = bench.world(lambda server: build(sizes, server), _AT_ONCE)
    everybody = {
        "user_directory": {"enabled": True, "search_all_users": True},
        "rc_user_directory": {"per_second": 10_000, "burst_count": 10_000},
    }
    with ExitStack() as stack:
        servers = [
            stack.enter_context(bench.server(world, config, everybody)) for config in (None, MODULE)
        ]

        def search(server: Server, number: int) -> dict[str, Round]:
            took = {}
            for kind, searcher in world.contents.items():
                ask = _search(server.person(searcher.account))
                assert len(expect(ask()).body["results"]) == _LIMIT
                took[kind] = Round()
                took[kind].measure(server, ask, _SEARCHES)
            took[CHANGED] = _after_changes(server, world.contents[BY_FRIENDS_MUCH], number)
            return took

        found = in_turn(servers, sizes.account_rounds, search)
    rooms = f"{sizes.listed_chats:,}"
    return Figures(
        "The user directory",
        f"Among {sizes.local_people:,} people of a server a search finds {sizes.found_people:,}, "
        f"of whom {_FRIENDS} are friends. Without the module, Synapse shows the first {_LIMIT}; "
        "with it, Synapse searches among the friends alone. Who has a chat in `m.direct` is the "
        "person who searches, or only the friends.",
        [
            compare(
                kind.format(rooms=rooms), "this module", *rounds,
                target=None if kind == CHANGED else _TARGET,
            )
            for kind, rounds in found.items()
        ],
    )  # fmt: skip


def _search(person: Person) -> Callable[[], Reply]:
    body = {"search_term": "robin", "limit": _LIMIT}
    return lambda: person.call("POST", "/user_directory/search", body)


def _is_complete(admin: Person) -> bool:
    path = "/_synapse/admin/v1/background_updates/status"
    # Between two of them there is none for a moment.
    answers = [expect(admin.call("GET", path)).body["current_updates"] for _ in range(3)]
    return not any(answers)


def _after_changes(server: Server, searcher: Searcher, number: int) -> Round:
    """A search that has to read what the friends list."""

    def change(friend: tuple[Account, dict[str, list[str]]]) -> None:
        account, listed = friend
        changed = {**listed, "@new:localhost": [f"!new{number}:localhost"]}
        expect(server.person(account).set_m_direct(changed))

    side_by_side(change, searcher.friends, at_once=1)
    took = Round()
    took.measure(server, _search(server.person(searcher.account)))
    return took
