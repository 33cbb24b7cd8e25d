"""An account in very many groups: login and the first `/sync`."""

from contextlib import ExitStack

import attrs

from benchmarks.measuring import Round, compare, in_turn
from benchmarks.results import Figures
from benchmarks.servers import MODULE, Account, Bench, Server, side_by_side
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.person import expect


@attrs.frozen
class Traveller:
    account: Account


def run(bench: Bench, sizes: Sizes) -> Figures:
    def build(server: Server) -> Traveller:
        (account,) = server.accounts(["traveller"])
        person = server.person(account)
        side_by_side(lambda n: person.new_room(name=f"Group {n}"), range(sizes.account_rooms))
        return Traveller(account)

    world = bench.world(build)
    account = world.contents.account
    with ExitStack() as stack:
        servers = [stack.enter_context(bench.server(world, config)) for config in (None, MODULE)]

        def arrive(server: Server, _: int) -> dict[str, Round]:
            login, sync = Round(), Round()
            token = ""

            def log_in() -> None:
                nonlocal token
                request = {
                    "type": "m.login.password",
                    "identifier": {"type": "m.id.user", "user": account.user_id},
                    "password": account.password,
                }
                reply = expect(server.person(account).call("POST", "/login", request))
                token = reply.body["access_token"]

            def first_sync() -> None:
                # A new token each time: Synapse remembers its answers for a while.
                headers = {"Authorization": f"Bearer {token}"}
                reply = server.http.get("/_matrix/client/v3/sync?timeout=0", headers=headers)
                assert reply.status_code == 200

            login.measure(server, log_in)
            sync.measure(server, first_sync)
            return {"login": login, "sync": sync}

        found = in_turn(servers, sizes.account_rounds, arrive)
    return Figures(
        "A busy account",
        f"An account in {sizes.account_rooms:,} groups logs in on a new device.",
        [
            compare("login", "this module", *found["login"], target=1.0),
            compare("first /sync", "this module", *found["sync"], target=1.0),
        ],
    )
