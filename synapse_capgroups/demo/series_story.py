"""The story of a series: one code, many groups, one announcement, one assignment.

The steps are tried as those of the first story.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.demo.story import Step
from synapse_capgroups.rules.verdict import Reason

_API = "/_synapse/client/capgroups/v1/series"
_FILL = 2
_PATIENCE = 30  # s


def tell_of_series(register: Callable[[str], Person]) -> Iterator[Step]:
    """The steps, in order. Each must be tried before the next is asked for.

    Args:
        register: makes an account with this localpart.
    """
    names = ("olga", "ida", "jan", "kim", "lea", "mia")
    olga, ida, jan, kim, lea, mia = map(register, names)
    said: dict[str, Any] = {}

    def asked(key: str, reply: Reply) -> Reply:
        said[key] = reply.body
        return reply

    def groups() -> list[str]:
        found = expect(olga.call("GET", f"{_API}/{said['series']['series_id']}/groups")).body
        return [group["room_id"] for group in found["groups"]]

    def start() -> Reply:
        body = {
            "room_id": olga.new_room(name="Choir 1", topic="We sing"),
            "name": "choir",
            "pattern": "Choir {n}",
            "fill": _FILL,
        }
        return asked("series", olga.call("POST", _API, body))

    def of_series(method: str, path: str, body: dict[str, Any] | None = None) -> Reply:
        return olga.call(method, f"{_API}/{said['series']['series_id']}{path}", body)

    yield Step(
        "Olga",
        f"starts the series “choir”, with {_FILL} people in a group",
        11,
        start,
        state="running",
    )
    yield Step(
        "Olga",
        "makes a live code for a poster at the station",
        11,
        lambda: asked("code", of_series("POST", "/codes", {"label": "station"})),
    )
    server_name = olga.user_id.partition(":")[2]

    def scan(person: Person) -> Callable[[], Reply]:
        return lambda: person.join(f"#j-{said['code']['secret']}:{server_name}")

    yield Step("Ida", "scans the poster and is in Choir 1", 11, scan(ida))
    yield Step("Jan", "scans it, too, and Choir 1 has its two people", 11, scan(jan))
    yield Step("Kim", "scans the same poster and is in Choir 2, which was just made", 11, scan(kim))
    yield Step("Ida", "scans it again", 11, scan(ida), Reason.ALREADY_IN_SERIES)

    def announce() -> Reply:
        return asked(
            "draft", of_series("POST", "/announcements", {"text": "We sing at six on Sunday."})
        )

    def announcement(path: str = "") -> str:
        return f"/announcements/{said['draft']['announcement_id']}{path}"

    yield Step("Olga", "writes one announcement for all groups and looks at it", 12, announce)

    def confirm() -> Reply:
        # Whether all copies are sent by now is no step's business.
        return Reply(expect(of_series("POST", announcement("/confirm"), {})).status, {})

    yield Step("Olga", "confirms it", 12, confirm)

    def heard(person: Person, number: int) -> Callable[[], Reply]:
        def look() -> Reply:
            path = f"/rooms/{quote(groups()[number - 1])}/messages?dir=b&limit=10"
            deadline = time.monotonic() + _PATIENCE
            while True:
                reply = expect(person.call("GET", path))
                bodies = [event["content"].get("body") for event in reply.body["chunk"]]
                if any("six on Sunday" in (body or "") for body in bodies):
                    return Reply(200, {})
                if time.monotonic() > deadline:
                    return Reply(404, {"error": f"nothing of it among {bodies}"})
                time.sleep(0.1)

        return look

    yield Step("Ida", "reads it in Choir 1", 12, heard(ida, 1))
    yield Step("Kim", "reads it in Choir 2", 12, heard(kim, 2))

    def plan() -> Reply:
        table = f"user,voice\n{lea.user_id},alto\n{mia.user_id},bass\n"
        body = {"csv": table, "by": ["voice"], "size": {"min": 1, "max": _FILL}}
        return asked("plan", of_series("POST", "/assignments", body))

    def apply() -> Reply:
        path = f"/assignments/{said['plan']['assignment_id']}"
        expect(of_series("POST", f"{path}/apply", {"hash": said["plan"]["hash"]}))
        deadline = time.monotonic() + _PATIENCE
        while True:
            reply = expect(of_series("GET", path))
            if reply.body["state"] == "done" or time.monotonic() > deadline:
                done = reply.body["state"] == "done"
                return Reply(200 if done else 504, {})
            time.sleep(0.1)

    yield Step("Olga", "has two newcomers sorted by their voices, and looks at the plan", 14, plan)
    yield Step("Olga", "carries out the plan that she saw", 14, apply)

    def invited(person: Person) -> Callable[[], Reply]:
        def look() -> Reply:
            rooms = expect(person.call("GET", "/sync?timeout=0")).body.get("rooms", {})
            invitations = set(rooms.get("invite", {})) & set(groups())
            return person.join(invitations.pop()) if invitations else Reply(404, {})

        return look

    yield Step("Lea", "accepts the invitation into the group of the altos", 14, invited(lea))
    yield Step("Mia", "accepts that into the group of the basses", 14, invited(mia))
