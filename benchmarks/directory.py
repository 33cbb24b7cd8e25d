"""A search of the user directory that finds very many people, few of them friends."""

from contextlib import ExitStack

import attrs

from benchmarks.measuring import Round, compare, in_turn
from benchmarks.results import Figures
from benchmarks.servers import MODULE, Account, Bench, Server, side_by_side
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.person import expect

_FRIENDS = 10
_LIMIT = 10
"""How many results clients ask for."""


@attrs.frozen
class Town:
    """Somebody who searches."""

    account: Account


def run(bench: Bench, sizes: Sizes) -> Figures:
    def build(server: Server) -> Town:
        people, robins = sizes.local_people, sizes.found_people
        # What somebody is called at first is their localpart.
        names = [f"robin{n}" for n in range(robins)] + [f"p{n}" for n in range(people - robins)]
        accounts = server.accounts(names)
        searcher = accounts[-1]
        person = server.person(searcher)
        friends = [server.person(account) for account in accounts[:_FRIENDS]]
        side_by_side(person.befriend, friends, at_once=1)
        return Town(searcher)

    world = bench.world(build)
    everybody = {"user_directory": {"enabled": True, "search_all_users": True}}
    with ExitStack() as stack:
        servers = [
            stack.enter_context(bench.server(world, config, everybody)) for config in (None, MODULE)
        ]

        def search(server: Server, _: int) -> dict[str, Round]:
            person, took = server.person(world.contents.account), Round()
            body = {"search_term": "robin", "limit": _LIMIT}
            found = expect(person.call("POST", "/user_directory/search", body)).body
            assert found["results"]
            took.measure(
                server, lambda: person.call("POST", "/user_directory/search", body), times=5
            )
            return {"search": took}

        found = in_turn(servers, sizes.account_rounds, search)
    return Figures(
        "The user directory",
        f"Among {sizes.local_people:,} people of a server a search finds {sizes.found_people:,}, "
        f"of whom {_FRIENDS} are friends. Without the module, Synapse shows the first {_LIMIT}; "
        "with it, all that are found are looked through for friends.",
        [compare("search", "this module", *found["search"])],
    )
