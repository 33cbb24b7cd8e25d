"""Many people look at join codes while others talk: what it does to their `/sync`."""

import secrets
import statistics
from urllib.parse import quote

import attrs

from benchmarks import load
from benchmarks.measuring import settle
from benchmarks.results import Figures, Reading, spread
from benchmarks.servers import MODULE, Account, Bench, Server
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.homeserver import free_port
from synapse_capgroups.demo.person import expect

_GROUP = 5
_SYNCS_PER_SECOND = 1.0
"""Of each person."""
_MESSAGES_PER_SECOND = 0.1
"""Of each person."""


@attrs.frozen
class Town:
    """People, five to a group."""

    people: list[Account]
    groups: list[str]


@attrs.define
class Half:
    """The rounds with previews, or those without. Shares are parts of one processor."""

    sync: list[float] = attrs.field(factory=list)
    """The median in each round, in milliseconds."""
    slow_sync: list[float] = attrs.field(factory=list)
    """The slowest of twenty."""
    server: list[float] = attrs.field(factory=list)
    client: list[float] = attrs.field(factory=list)
    preview: list[float] = attrs.field(factory=list)
    answered: list[float] = attrs.field(factory=list)
    """Previews a second."""


def run(bench: Bench, sizes: Sizes) -> Figures:
    world = bench.world(lambda server: _build(server, sizes.busy_people))
    port = free_port()
    listener = {
        "port": port,
        "type": "http",
        "bind_addresses": ["127.0.0.1"],
        # The limit on previews is for each address.
        "x_forwarded": True,
        "resources": [{"names": ["client", "health", "metrics"]}],
    }
    quiet, looked_at = Half(), Half()
    with bench.server(world, MODULE, {"listeners": [listener]}, port) as server:
        busy, previews = _plans(server, world.contents, sizes)
        _round(server, [*busy, previews], Half())
        for number in range(sizes.preview_rounds):
            halves = [(quiet, busy), (looked_at, [*busy, previews])]
            for half, plans in halves if number % 2 else reversed(halves):
                _round(server, plans, half)
    rate = sizes.previews_per_second
    return Figures(
        "Previews of join codes",
        f"{sizes.busy_people} people in groups of {_GROUP} poll `/sync` once a second and write a "
        "message every ten seconds. In every other round, "
        f"`POST …/codes/preview` is asked {rate} times a second, for codes of ten groups and from "
        "many addresses. Latency is counted from when a request was due. Database, server and the "
        "programs that ask share the machine's processors.",
        readings=_readings(rate, quiet, looked_at),
    )


def _build(server: Server, count: int) -> Town:
    people = server.accounts([f"person{n}" for n in range(count)])
    groups = []
    for first in range(0, count, _GROUP):
        creator, *others = [server.person(a) for a in people[first : first + _GROUP]]
        groups.append(creator.new_room(name=f"Group {first}"))
        server.fill(groups[-1], others, creator)
    return Town(people, groups)


def _plans(server: Server, town: Town, sizes: Sizes) -> tuple[list[load.Plan], load.Plan]:
    """The plans of the busy people, and that of those who look at codes."""
    syncs, seen, messages = [], [], []
    for n, account in enumerate(town.people):
        token = f"Bearer {account.token}"
        reply = expect(server.person(account).call("GET", "/sync?timeout=0"))
        seen.append(reply.body["next_batch"])
        path = "/_matrix/client/v3/sync?timeout=0&since=%SEEN%"
        syncs.append(load.request("GET", path, Authorization=token))
        # Different in each process that follows this plan: a number twice is a message once.
        room = quote(town.groups[n // _GROUP])
        path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/%ID%-%N%"
        body = {"msgtype": "m.text", "body": "hello"}
        messages.append(load.request("PUT", path, body, Authorization=token))
    looks = []
    for group, account in list(zip(town.groups, town.people[::_GROUP], strict=True))[:10]:
        secret = expect(server.person(account).make_code(group)).body["secret"]
        path = "/_synapse/client/capgroups/v1/codes/preview"
        looks.append(load.request("POST", path, {"secret": secret}, X_Forwarded_For="%ADDRESS%"))
    seconds, people = sizes.preview_seconds, len(town.people)
    return (
        [
            load.Plan(server.port, _SYNCS_PER_SECOND * people, seconds, syncs, seen),
            load.Plan(server.port, _MESSAGES_PER_SECOND * people, seconds, messages, [""] * people),
        ],
        load.Plan(server.port, sizes.previews_per_second, seconds, looks, [""] * len(looks)),
    )


def _round(server: Server, plans: list[load.Plan], half: Half) -> None:
    settle(server)
    round_id = secrets.token_hex(4)
    plans = [
        attrs.evolve(p, requests=[r.replace("%ID%", round_id) for r in p.requests]) for p in plans
    ]
    before = server.cpu()
    sync, messages, *previews = load.outcomes(load.start(plans), plans[0].seconds + 60)
    settle(server)
    seconds = plans[0].seconds
    half.server.append((server.cpu() - before) / seconds)
    half.client.append(sum(o.cpu for o in (sync, messages, *previews)) / seconds)
    half.sync.append(1000 * statistics.median(sync.latencies))
    half.slow_sync.append(1000 * sorted(sync.latencies)[int(0.95 * len(sync.latencies))])
    for outcome in (sync, messages):
        assert set(outcome.statuses) == {"200"}, outcome.statuses
    for outcome in previews:
        half.preview.append(1000 * statistics.median(outcome.latencies))
        half.answered.append(outcome.statuses.get("200", 0) / max(seconds, outcome.elapsed))


def _readings(rate: int, quiet: Half, looked_at: Half) -> list[Reading]:
    def ratios(a: list[float], b: list[float]) -> list[float]:
        return [y / x for x, y in zip(a, b, strict=True)]

    shares = zip(quiet.server, looked_at.server, looked_at.answered, strict=True)
    each = [1000 * (b - a) / answered for a, b, answered in shares]
    return [
        Reading("`/sync` without previews", spread(quiet.sync), "ms"),
        Reading("`/sync` with previews", spread(looked_at.sync), "ms"),
        Reading(
            "`/sync` with, against without",
            spread(ratios(quiet.sync, looked_at.sync)),
            "ratio",
            "at most 1.05",
        ),
        Reading(
            "the slowest of twenty `/sync` with, against without",
            spread(ratios(quiet.slow_sync, looked_at.slow_sync)),
            "ratio",
        ),
        Reading("previews answered", spread(looked_at.answered), "a second", f"{rate} a second"),
        Reading("a preview", spread(looked_at.preview), "ms"),
        Reading("processor time of a preview, Synapse's", spread(each), "ms"),
        Reading("Synapse without previews", spread(quiet.server), "of a processor"),
        Reading("Synapse with previews", spread(looked_at.server), "of a processor"),
        Reading("the programs that ask, with previews", spread(looked_at.client), "of a processor"),
    ]
