"""Rule 9: what each call and each command may cost, measured on a real server, in one table."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
import yaml

from synapse_capgroups.demo.person import Reply, expect
from tests.conftest import API, Server, eventually
from tests.test_concierge import Chat
from tests.test_rule_5_codes import picture, upload
from tests.test_rule_9_cost import Memory, at_rest, transactions
from tests.test_rule_11_series import start_series
from tests.test_rule_12_announcements import Series

pytestmark = pytest.mark.long(0.5)

PAGE = "/_synapse/client/capgroups/join"


@attrs.frozen
class Budget:
    """The most that one request may cost once the server is warm.

    Attributes:
        transactions: of the module in Synapse's database; what Synapse itself does for a request
            with a login, for a room or for an event comes on top.
        rooms: made by it.
        mib: of resident memory at the highest point, beyond what was there before.
    """

    transactions: int
    rooms: int = 0
    mib: float = 8


CALLS = {
    "GET join": Budget(0),
    "GET console": Budget(0),
    "GET widget": Budget(0),
    "GET console/console.js": Budget(0),
    "GET console/console.css": Budget(0),
    "GET join/join.js": Budget(0),
    "GET join/join.css": Budget(0),
    "POST v1/codes/preview": Budget(3),
    "GET v1/groups": Budget(3),  # However many groups the page has.
    "GET v1/groups/{room}": Budget(2),
    "GET v1/groups/{room}/members": Budget(5),  # One for each twenty members.
    "GET v1/groups/{room}/admissions": Budget(4),
    "GET v1/groups/{room}/growth": Budget(4),
    "POST v1/groups/{room}/codes": Budget(5, rooms=1),
    "GET v1/groups/{room}/codes": Budget(3),  # However many codes the page has.
    "GET v1/groups/{room}/codes/{code_id}/qr.png": Budget(4, mib=16),
    "GET v1/groups/{room}/codes/{code_id}/qr.svg": Budget(4),
    "POST v1/me/codes": Budget(5, rooms=1),
    "GET v1/me/codes": Budget(3),  # However many codes the page has.
    "GET v1/me/codes/{code_id}/qr.svg": Budget(4),
    "DELETE v1/me/codes/{code_id}": Budget(8),
    "POST v1/session": Budget(2),
    "GET v1/me/sessions": Budget(1),
    "DELETE v1/me/sessions/{session_id}": Budget(2),
    "GET v1/groups/{room}/avatar": Budget(2),
    "GET v1/me/requests": Budget(1),
    "GET v1/me/remarks": Budget(1),
    "PUT v1/me/remarks/{user_id}": Budget(3),
    "PUT v1/groups/{room}/name": Budget(4),
    "DELETE v1/groups/{room}/codes/{code_id}": Budget(8),
    "DELETE v1/codes/{code_id}": Budget(8),
    "PUT v1/groups/{room}/approval": Budget(2),
    "GET v1/groups/{room}/requests": Budget(2),
    "POST v1/groups/{room}/requests/{user_id}": Budget(8),
}

SERIES_CALLS = {
    "POST v1/series": Budget(20, rooms=1),
    "GET v1/series": Budget(2),  # However many series the page has.
    "GET v1/series/{series_id}": Budget(2),
    "PATCH v1/series/{series_id}": Budget(3),
    "GET v1/series/{series_id}/groups": Budget(2),
    "POST v1/series/{series_id}/groups": Budget(12),
    "POST v1/series/{series_id}/codes": Budget(6, rooms=1),
    "GET v1/series/{series_id}/codes": Budget(4),
    "GET v1/series/{series_id}/codes/{code_id}/qr.png": Budget(6, mib=16),
    "GET v1/series/{series_id}/codes/{code_id}/qr.svg": Budget(6),
    "DELETE v1/series/{series_id}/codes/{code_id}": Budget(9),
    "PUT v1/series/{series_id}/helpers/{user_id}": Budget(25),
    "GET v1/series/{series_id}/helpers": Budget(5),
    "DELETE v1/series/{series_id}/helpers/{user_id}": Budget(25),
    "GET v1/series/{series_id}/report": Budget(3),
    "GET v1/series/{series_id}/twice": Budget(2),
    "DELETE v1/series/{series_id}/groups/{number}": Budget(20),
    "DELETE v1/series/{series_id}": Budget(8),
}
"""Of series of one or two groups. What is done in each group costs more in larger ones."""

_ANNOUNCEMENTS = "v1/series/{series_id}/announcements"

ANNOUNCEMENTS = {
    f"POST {_ANNOUNCEMENTS}": Budget(2),
    f"GET {_ANNOUNCEMENTS}": Budget(2),
    f"GET {_ANNOUNCEMENTS}/{{announcement_id}}": Budget(2),
    # With the sending: to three groups here, five transactions for each.
    f"POST {_ANNOUNCEMENTS}/{{announcement_id}}/confirm": Budget(3 + 3 * 5 + 8),
    f"PUT {_ANNOUNCEMENTS}/{{announcement_id}}": Budget(3 + 3 * 5 + 8),
    f"POST {_ANNOUNCEMENTS}/{{announcement_id}}/retry": Budget(3 + 8),
    f"DELETE {_ANNOUNCEMENTS}/{{announcement_id}}": Budget(3 + 3 * 4 + 8),
}

_ASSIGNMENTS = "v1/series/{series_id}/assignments"

ASSIGNMENTS = {
    f"POST {_ASSIGNMENTS}": Budget(3),
    f"GET {_ASSIGNMENTS}": Budget(2),
    f"GET {_ASSIGNMENTS}/{{assignment_id}}": Budget(2),
    # And eight more for each person, in the background.
    f"POST {_ASSIGNMENTS}/{{assignment_id}}/apply": Budget(2 + 8 + 6),
    f"POST {_ASSIGNMENTS}/{{assignment_id}}/stop": Budget(2),
}
"""Of a plan for one person, who is invited to the group that is there."""

ADMIN_CALLS = {
    # With one step, and one owner who has a chat with the concierge.
    "POST v1/admin/groups/{room}/adopt": Budget(10),
    # Of somebody who has a code and is deactivated.
    "POST v1/admin/people/{user_id}/forget": Budget(8),
    # And one more for each 50 groups of the server; a copy costs the concierge two to ten.
    "POST v1/admin/notices": Budget(12),
    "GET v1/admin/notices/{notice_id}": Budget(1),
    "GET v1/admin/concierge/{localpart}": Budget(2),
    "POST v1/admin/notices/{notice_id}/stop": Budget(2),
    "GET v1/admin/codes/of/{code_owner}": Budget(1),  # However many codes there are.
    "POST v1/admin/codes/of/{code_owner}/revoke": Budget(14),  # Of two; the doors close after it.
    "DELETE v1/admin/codes/{code_id}": Budget(8),
    # One for each 1,000 rooms, each 500 members of groups that are looked at, and each 5,000
    # entries on record.
    "GET v1/admin/report": Budget(20, mib=16),
    "GET v1/admin/people/{user_id}/report": Budget(1),
    "GET v1/admin/groups/{room}/report": Budget(1),
    "GET v1/admin/breaches": Budget(1, mib=16),
}

COMMANDS = {
    "help": Budget(1),
    "assign": Budget(1),
    "a sentence that is no command": Budget(1),
    "groups": Budget(3),
    "code tea": Budget(6, rooms=1, mib=16),
    "codes tea": Budget(3),
    "who tea": Budget(3),
    "name tea Alias": Budget(4),
    "me": Budget(4, rooms=1, mib=16),
    "revoke {code_id}": Budget(8),
    "console": Budget(2),
    "remark @friend:localhost Friend": Budget(1),
    "announce": Budget(1),
    "quiet off": Budget(1),
    "approval tea on": Budget(3),
    "requests": Budget(2),
    "requests tea": Budget(3),
    "yes 1234": Budget(2),
    "no 1234 4321": Budget(3),
}


def rooms(server: Server) -> int:
    return int(server.query("SELECT count(*) FROM rooms")[0][0])


def least(table: Budget, measure: Callable[[int], Budget]) -> Budget:
    """The first of three measurements that is within the budget, else the last.

    The sweep, once a minute, looks at all codes of the server and may fall into one of them.
    """
    for number in range(3):
        cost = measure(number)
        if not over({"": table}, {"": cost}):
            break
    return cost


def measured(server: Server, ask: Callable[[], object]) -> Budget:
    """What it costs, with all that it leaves to be done in the background."""
    assert eventually(lambda: at_rest(server))
    rooms_before, before = rooms(server), transactions(server)
    with Memory(server) as memory:
        ask()
        assert eventually(lambda: at_rest(server))
    done = int(transactions(server) - before)
    return Budget(done, rooms(server) - rooms_before, round(memory.mib, 1))


def over(table: dict[str, Budget], costs: dict[str, Budget]) -> list[str]:
    return [
        f"{name}: {cost}, at most {table[name]}"
        for name, cost in costs.items()
        if cost.transactions > table[name].transactions
        or cost.rooms > table[name].rooms
        or cost.mib > table[name].mib
    ]


def test_each_call_stays_within_its_budget(server: Server) -> None:
    room, people = server.group(3)
    codes = [server.make_code(room, people[0]) for _ in range(5)]
    other, _ = server.group(1, creator=people[0])
    others = [server.make_code(other, people[0]) for _ in range(5)]
    own = [expect(people[0].call("POST", f"{API}/me/codes", {})).body for _ in range(5)]
    visitor = server.person()
    waiting: list[dict[str, Any]] = []
    for each in codes:  # In a group each, or the last would come to one without codes.
        asking, _ = server.group(1, creator=people[0])
        code = server.make_code(asking, people[0])
        expect(people[0].call("PUT", f"{API}/groups/{quote(asking)}/approval", {"on": True}))
        waiting.append({**each, "user_id": server.person(), "room": asking})
        assert server.scan(waiting[-1]["user_id"], code).reason == "awaiting_approval"

    avatar = {"url": upload(people[0], picture("PNG", (200, 200)))}
    expect(people[0].set_state(room, "m.room.avatar", avatar))

    def open_console(key: str) -> None:
        """A link whose secret, and a session whose ID, is the ID of a code."""
        hashed, me = hashlib.sha256(key.encode()).hexdigest(), people[0].user_id
        for table in ("links", "sessions"):
            server.query(f"DELETE FROM capgroups_console_{table} WHERE user_id = ?", me)
        server.query("INSERT INTO capgroups_console_links VALUES (?, ?, ?)", me, hashed, 10**14)
        server.query(
            "INSERT INTO capgroups_console_sessions VALUES (?, ?, ?, 1, ?)", f"{key} {me}", key, me,
            10**14,
        )  # fmt: skip

    def call(name: str, code: dict[str, Any]) -> Reply:
        if "session" in name and not name.startswith("GET"):
            open_console(code["code_id"])
        method, path = name.format(
            session_id=code["code_id"],
            room=quote(code.get("room", room)),
            code_id=code["code_id"],
            user_id=code.get("user_id", visitor),
        ).split(" ")
        body = {
            "secret": code["secret"], "displayname": code["code_id"], "link": code["code_id"],
            "on": True, "approve": True, "name": code["code_id"],
        }  # fmt: skip
        who = visitor if "preview" in path else people[0]
        if path.startswith(("join", "console", "widget")):
            return who.call(method, PAGE.removesuffix("join") + path)
        return who.call(method, API.removesuffix("v1") + path, None if method == "GET" else body)

    costs = {}
    for name in CALLS:
        # A code dies only once.
        used = others if name == "DELETE v1/codes/{code_id}" else codes
        used = waiting if "requests" in name else own if "me/codes/" in name else used
        answers = [call(name, used[1])]  # Once to warm up.

        def measure(number: int) -> Budget:
            return measured(server, lambda: answers.append(call(name, used[2 + number])))  # noqa: B023

        cost = least(CALLS[name], measure)
        assert {answer.status for answer in answers} == {200}, name
        costs[name] = cost
    print(*(f"{name}: {cost}" for name, cost in costs.items()), sep="\n")
    assert over(CALLS, costs) == []


def test_each_call_about_a_series_stays_within_its_budget(server: Server) -> None:
    person = server.person()
    begun, taken = ([person.new_room() for _ in range(4)] for _ in range(2))
    helpers = server.people(4)

    def start(number: int) -> str:
        wish = {"room_id": person.new_room(), "name": f"tea{number}", "pattern": "Tea {n}"}
        return str(expect(person.call("POST", f"{API}/series", wish)).body["series_id"])

    def make_code(series_id: str) -> str:
        return str(
            expect(person.call("POST", f"{API}/series/{series_id}/codes", {})).body["code_id"]
        )

    series = [start(number) for number in range(4)]
    codes = [make_code(series_id) for series_id in series]

    def call(name: str, number: int) -> Reply:
        room = (begun if name == "POST v1/series" else taken)[number]
        body = {"room_id": room, "name": f"cup{number}", "pattern": "Cup {n}", "fill": 2}
        if name.startswith("PATCH"):
            body = {"fill": 3}
        method, path = name.format(
            series_id=series[number],
            code_id=codes[number],
            user_id=quote(helpers[number].user_id),
            number=1,
        ).split(" ")
        return person.call(method, API.removesuffix("v1") + path, None if method == "GET" else body)

    def name_all() -> None:
        """As many were named as measurements were needed."""
        for number, series_id in enumerate(series):
            path = f"{API}/series/{series_id}/helpers"
            if expect(person.call("GET", path)).body["helpers"] == []:
                expect(person.call("PUT", f"{path}/{quote(helpers[number].user_id)}", {}))

    costs = {}
    for name in SERIES_CALLS:
        if name.startswith("DELETE") and "helpers" in name:
            name_all()
        answers = [call(name, 0)]  # Once to warm up.

        def measure(number: int) -> Budget:
            return measured(server, lambda: answers.append(call(name, 1 + number)))  # noqa: B023

        costs[name] = least(SERIES_CALLS[name], measure)
        assert {answer.status for answer in answers} == {200}, name
    print(*(f"{name}: {cost}" for name, cost in costs.items()), sep="\n")
    assert over(SERIES_CALLS, costs) == []


def test_each_call_about_announcements_stays_within_its_budget(server: Server) -> None:
    costs = {}
    for name in ANNOUNCEMENTS:
        series = Series(server, server.person(), 3)
        method, path = name.split(" ")
        below = path.removeprefix(_ANNOUNCEMENTS)

        def measure(number: int) -> Budget:
            # However many were announced today.
            server.query(
                "UPDATE capgroups_announcements SET confirmed_at = confirmed_at - 86400001"
            )
            key = series.draft()["announcement_id"] if "confirm" in below else series.announced()  # noqa: B023
            body = {"text": "Other"} if method in ("PUT", "POST") else None  # noqa: B023
            path = below.format(announcement_id=key)  # noqa: B023
            return measured(server, lambda: expect(series.call(method, path, body)))  # noqa: B023

        measure(0)  # Once to warm up.
        costs[name] = least(ANNOUNCEMENTS[name], measure)
    print(*(f"{name}: {cost}" for name, cost in costs.items()), sep="\n")
    assert over(ANNOUNCEMENTS, costs) == []


def test_each_call_about_assignments_stays_within_its_budget(server: Server) -> None:
    costs = {}
    for name in ASSIGNMENTS:
        series = start_series(server)  # Each person may plan ten times at once.
        method, path = name.split(" ")
        below = path.removeprefix("v1/series/{series_id}")
        server.query("DELETE FROM capgroups_assignments")  # However many there were.

        def measure(number: int) -> Budget:
            table = {"people": [{"user": server.person().user_id}]}
            plan = expect(series.call("POST", "/assignments", table)).body  # noqa: B023
            path = below.format(assignment_id=plan["assignment_id"])  # noqa: B023
            body = {"hash": plan["hash"]} if "{" in below else table  # noqa: B023
            given = body if method == "POST" else None  # noqa: B023
            return measured(server, lambda: expect(series.call(method, path, given)))  # noqa: B023

        measure(0)  # Once to warm up.
        costs[name] = least(ASSIGNMENTS[name], measure)
    print(*(f"{name}: {cost}" for name, cost in costs.items()), sep="\n")
    assert over(ASSIGNMENTS, costs) == []


def test_each_call_of_server_admins_stays_within_its_budget(server: Server) -> None:
    admin = server.person(admin=True)
    path = f"/_synapse/admin/v1/users/{admin.user_id}/override_ratelimit"
    expect(admin.call("POST", path, {"messages_per_second": 0, "burst_count": 0}))

    def forget() -> Budget:
        room, (owner, _) = server.group(2)
        server.make_code(room, owner)
        expect(admin.call("POST", f"/_synapse/admin/v1/deactivate/{owner.user_id}", {}))
        path = f"{API}/admin/people/{quote(owner.user_id)}/forget"
        return measured(server, lambda: expect(admin.call("POST", path, {"apply": True})))

    def adopt() -> Budget:
        room, (owner,) = server.group(1)
        address = f"#adopted{room[1:9].lower()}:localhost"
        server.query(
            "INSERT INTO room_aliases (room_id, room_alias, creator) VALUES (?, ?, ?)",
            room, address, owner.user_id,
        )  # fmt: skip
        entry = {"creator": owner.user_id, "servers": []}
        body = {
            "server": "localhost",
            "steps": [{"what": "address", "name": address, "before": entry, "after": None}],
            "notice": {"people": [owner.user_id], "text": "It has no address any more."},
        }
        path = f"{API}/admin/groups/{quote(room, safe='')}/adopt"
        return measured(server, lambda: expect(admin.call("POST", path, body)))

    def read(path: str) -> Callable[[], Budget]:
        return lambda: measured(server, lambda: expect(admin.call("GET", f"{API}/admin/{path}")))

    def codes() -> tuple[str, str]:
        """Two codes of a new group: its room ID, and the ID of one."""
        room, (owner,) = server.group(1)
        server.make_code(room, owner)
        return room, server.make_code(room, owner)["code_id"]

    def revoke_all() -> Budget:
        path = f"{API}/admin/codes/of/{quote(codes()[0])}/revoke"
        return measured(server, lambda: expect(admin.call("POST", path)))

    def revoke() -> Budget:
        path = f"{API}/admin/codes/{codes()[1]}"
        return measured(server, lambda: expect(admin.call("DELETE", path)))

    def write() -> Budget:
        body = {"text": "The server is moved on Sunday."}
        path = f"{API}/admin/notices"
        return measured(server, lambda: expect(admin.call("POST", path, body)))

    notice = "5" * 16
    server.query("INSERT INTO capgroups_owner_notices VALUES (?, 'Hello', ?)", notice, 10**13)
    stop = f"{API}/admin/notices/{notice}/stop"
    room, (owner, _) = server.group(2)
    measures = {
        "POST v1/admin/notices": write,
        "GET v1/admin/concierge/{localpart}": read("concierge/porter"),
        "GET v1/admin/notices/{notice_id}": read(f"notices/{notice}"),
        "POST v1/admin/notices/{notice_id}/stop": lambda: measured(
            server, lambda: expect(admin.call("POST", stop))
        ),
        "GET v1/admin/codes/of/{code_owner}": read(f"codes/of/{quote(codes()[0])}"),
        "POST v1/admin/codes/of/{code_owner}/revoke": revoke_all,
        "DELETE v1/admin/codes/{code_id}": revoke,
        "POST v1/admin/groups/{room}/adopt": adopt,
        "POST v1/admin/people/{user_id}/forget": forget,
        "GET v1/admin/report": read("report"),
        "GET v1/admin/people/{user_id}/report": read(f"people/{quote(owner.user_id)}/report"),
        "GET v1/admin/groups/{room}/report": read(f"groups/{quote(room)}/report"),
        "GET v1/admin/breaches": read("breaches"),
    }
    costs = {}
    for name, measure in measures.items():
        measure()  # Once to warm up.
        costs[name] = least(ADMIN_CALLS[name], lambda _: measure())  # noqa: B023
    print(*(f"{name}: {cost}" for name, cost in costs.items()), sep="\n")
    assert over(ADMIN_CALLS, costs) == []


def test_each_command_stays_within_its_budget(server: Server) -> None:
    person = server.person()
    room = person.new_room(name="Tea")
    chat = Chat(person)
    made = [server.make_code(room, person)["code_id"] for _ in range(4)]

    costs = {}
    for name in COMMANDS:
        answers = 2 if name in ("me", "code tea") else 1
        chat.say(name.format(code_id=made[0]), answers)

        def measure(number: int) -> Budget:
            said = name.format(code_id=made[1 + number])  # noqa: B023
            return measured(server, lambda: chat.say(said, answers))  # noqa: B023

        costs[name] = least(COMMANDS[name], measure)
    print(*(f"{name}: {cost}" for name, cost in costs.items()), sep="\n")
    assert over(COMMANDS, costs) == []


def test_each_call_of_the_api_has_a_budget() -> None:
    described = yaml.safe_load((Path(__file__).parents[1] / "docs/openapi.yaml").read_text())
    operations = {
        f"{method.upper()} {path.removeprefix('/_synapse/client/capgroups/')}"
        for path, methods in described["paths"].items()
        for method in methods
        if method in ("get", "post", "put", "patch", "delete")
    }
    budgeted = {*CALLS, *SERIES_CALLS, *ANNOUNCEMENTS, *ASSIGNMENTS, *ADMIN_CALLS}
    assert {operation.replace("{room_id}", "{room}") for operation in operations} <= budgeted
