"""docs/openapi.yaml: the server answers what is written there, whoever asks for whatever.

Schemathesis makes up requests from the description and holds the answers of a real server against
it. For these tests the description is closed: an answer may have no field that is not described,
though clients are told to expect more.
"""

import functools
import hashlib
import itertools
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock
from urllib.parse import quote

import attrs
import jsonschema  # type: ignore[import-untyped]
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode, checks

from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.web.adoption_calls import AdoptionCalls
from synapse_capgroups.web.announcement_calls import AnnouncementCalls
from synapse_capgroups.web.api import Api
from synapse_capgroups.web.assignment_calls import AssignmentCalls
from synapse_capgroups.web.calls import PREFIX
from synapse_capgroups.web.code_calls import CodeCalls
from synapse_capgroups.web.code_desk_calls import CodeDeskCalls
from synapse_capgroups.web.forget_call import ForgetCall
from synapse_capgroups.web.group_calls import GroupCalls
from synapse_capgroups.web.live_code_calls import LiveCodeCalls
from synapse_capgroups.web.owner_mail_calls import OwnerMailCalls
from synapse_capgroups.web.personal_code_calls import PersonalCodeCalls
from synapse_capgroups.web.preview_call import PreviewCall
from synapse_capgroups.web.remark_calls import RemarkCalls
from synapse_capgroups.web.renaming_call import RenamingCall
from synapse_capgroups.web.report_calls import ReportCalls
from synapse_capgroups.web.request_calls import RequestCalls
from synapse_capgroups.web.series_calls import SeriesCalls
from synapse_capgroups.web.session_calls import SessionCalls
from synapse_capgroups.web.view_calls import ViewCalls
from tests.conftest import CODE_LIMIT, Server, Starter

_names = itertools.count(1)

DESCRIPTION: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent.parent / "docs" / "openapi.yaml").read_text()
)

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]

METHODS = {"get", "put", "post", "delete", "patch"}

MOST_ROUNDS = 8
NO_TOKEN = {"401"}

# Which answers have to come up, lest everything that is made up stop at the same early check.
ANSWERS: dict[str, dict[str, set[str]]] = {
    "openSession": {"nobody": {"400", "403"}},
    "listSessions": {"creator": {"200"}, "member": {"200"}, "nobody": NO_TOKEN},
    "listRemarks": {"creator": {"200"}, "member": {"200"}, "nobody": NO_TOKEN},
    "setRemark": {"creator": {"200", "400"}, "nobody": NO_TOKEN},
    "endSession": {"creator": {"404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "makeMyCode": {"creator": {"200", "400"}, "nobody": NO_TOKEN},
    "listMyCodes": {"creator": {"200"}, "member": {"200"}, "nobody": NO_TOKEN},
    "revokeMyCode": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "getMyCodeAsSvg": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "previewCode": {"nobody": {"200", "400", "404"}},
    "getGroup": {"creator": {"200", "404"}, "member": {"200", "404"}, "nobody": NO_TOKEN},
    "getAvatar": {"creator": {"404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "listGroups": {"creator": {"200"}, "member": {"200"}, "nobody": NO_TOKEN},
    "listMembers": {"creator": {"200", "404"}, "member": {"403", "404"}, "nobody": NO_TOKEN},
    "listAdmissions": {"creator": {"200", "404"}, "member": {"403", "404"}, "nobody": NO_TOKEN},
    "getGrowth": {"creator": {"200", "404"}, "member": {"403", "404"}, "nobody": NO_TOKEN},
    "makeCode": {"creator": {"200", "400", "404"}, "member": {"403", "404"}, "nobody": NO_TOKEN},
    "listCodes": {"creator": {"200", "404"}, "member": {"403", "404"}, "nobody": NO_TOKEN},
    "revokeAnyCode": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "revokeCode": {"creator": {"200", "404"}, "member": {"403", "404"}, "nobody": NO_TOKEN},
    "getCodeAsPng": {"creator": {"200", "404"}, "member": {"403", "404"}, "nobody": NO_TOKEN},
    "getCodeAsSvg": {"creator": {"200", "404"}, "member": {"403", "404"}, "nobody": NO_TOKEN},
    "setName": {
        "creator": {"200", "400", "404"}, "member": {"200", "400", "404"}, "nobody": NO_TOKEN,
    },
    "setApproval": {
        "creator": {"200", "400", "404"}, "member": {"400", "403", "404"}, "nobody": NO_TOKEN,
    },
    "listRequests": {"creator": {"200", "404"}, "member": {"403", "404"}, "nobody": NO_TOKEN},
    "listMyRequests": {"creator": {"200"}, "member": {"200"}, "nobody": NO_TOKEN},
    "answerRequest": {
        "creator": {"200", "400", "404", "409"}, "member": {"400", "403", "404"},
        "nobody": NO_TOKEN,
    },
    "startSeries": {"creator": {"400", "404"}, "member": {"400", "404"}, "nobody": NO_TOKEN},
    "listSeries": {"creator": {"200"}, "member": {"200"}, "nobody": NO_TOKEN},
    "getSeries": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "changeSeries": {"creator": {"200", "400", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "endSeries": {"creator": {"200", "403", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "listGroupsOfSeries": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "takeIntoSeries": {"creator": {"400", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "letGoOfSeries": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "listHelpers": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "nameHelper": {"creator": {"200", "400", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "removeHelper": {"creator": {"404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "getSeriesReport": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "listInSeveralGroups": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "makeLiveCode": {"creator": {"200", "400", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "listLiveCodes": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "revokeLiveCode": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "getLiveCodeAsPng": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "getLiveCodeAsSvg": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "draftAnnouncement": {
        "creator": {"200", "400", "404"}, "member": {"404"}, "nobody": NO_TOKEN,
    },
    "listAnnouncements": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "getAnnouncement": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "editAnnouncement": {"creator": {"200", "400", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "deleteAnnouncement": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "confirmAnnouncement": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "planAssignment": {"creator": {"200", "400", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "listAssignments": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "getAssignment": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "applyAssignment": {
        "creator": {"200", "400", "404", "409"}, "member": {"404"}, "nobody": NO_TOKEN,
    },
    "stopAssignment": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "retryAnnouncement": {"creator": {"200", "404"}, "member": {"404"}, "nobody": NO_TOKEN},
    "adoptGroup": {
        "admin": {"200", "400", "404", "409"}, "creator": {"403"}, "member": {"403"},
        "nobody": NO_TOKEN,
    },
    "writeNotice": {
        "admin": {"200", "400"}, "creator": {"403"}, "member": {"403"}, "nobody": NO_TOKEN,
    },
    "getNotice": {"admin": {"200", "404"}, "creator": {"403"}, "nobody": NO_TOKEN},
    "stopNotice": {"admin": {"200", "404"}, "creator": {"403"}, "nobody": NO_TOKEN},
    "lookAtConciergesName": {
        "admin": {"200", "400"}, "creator": {"403"}, "nobody": NO_TOKEN,
    },
    "listCodesOf": {
        "admin": {"200", "404"}, "creator": {"403"}, "member": {"403"}, "nobody": NO_TOKEN,
    },
    "revokeCodesOf": {
        "admin": {"200", "404"}, "creator": {"403"}, "member": {"403"}, "nobody": NO_TOKEN,
    },
    "revokeCodeOfAnybody": {
        "admin": {"200", "404"}, "creator": {"403"}, "member": {"403"}, "nobody": NO_TOKEN,
    },
    "forgetPerson": {
        "admin": {"200", "400"}, "creator": {"403"}, "member": {"403"}, "nobody": NO_TOKEN,
    },
    "reportOnServer": {"admin": {"200"}, "creator": {"403"}, "nobody": NO_TOKEN},
    "reportOnPerson": {"admin": {"200", "400"}, "creator": {"403"}, "nobody": NO_TOKEN},
    "reportOnGroup": {"admin": {"200", "404"}, "creator": {"403"}, "nobody": NO_TOKEN},
    "listBreaches": {"admin": {"200"}, "creator": {"403"}, "nobody": NO_TOKEN},
}  # fmt: skip

START = {"name": "tea", "pattern": "Tea {n}", "room_id": "!r"}

BODIES = {
    "setName": {"displayname": "x"},
    "setApproval": {"on": True},
    "answerRequest": {"approve": True},
    "startSeries": START,
    "changeSeries": {"fill": 1},
    "takeIntoSeries": {"room_id": "!r"},
    "makeLiveCode": {},
    "planAssignment": {"people": []},
    "writeNotice": {"text": "Hello"},
    "applyAssignment": {"hash": ""},
}

CHANGES = {
    "revokeCodesOf", "revokeCodeOfAnybody",
    "makeCode", "revokeAnyCode", "revokeCode", "setApproval", "answerRequest", "changeSeries",
    "endSeries", "letGoOfSeries", "getSeriesReport", "listInSeveralGroups", "nameHelper",
    "makeLiveCode", "revokeLiveCode", "makeMyCode", "revokeMyCode",
    "editAnnouncement", "deleteAnnouncement", "planAssignment", "applyAssignment",
}  # fmt: skip
"""These get a group of their own, and a person who has asked for nothing yet."""


def closed(description: Any) -> Any:
    """The same, with no properties in an answer but those that are described."""
    if isinstance(description, list):
        return [closed(part) for part in description]
    if not isinstance(description, dict):
        return description
    parts = {key: closed(part) for key, part in description.items()}
    if "properties" in parts and parts.get("type") == "object":
        parts["additionalProperties"] = False
    return parts


def operations() -> Iterable[tuple[str, str, str]]:
    """Method, path and operationId of all that is described."""
    for path, item in DESCRIPTION["paths"].items():
        for method in METHODS & item.keys():
            yield method.upper(), path, item[method]["operationId"]


@functools.cache
def api_schema() -> Any:
    """What is described. Not where tests are collected: it takes a second."""
    # Who asks is decided by the tests, so nothing is made up for the Authorization header.
    return schemathesis.openapi.from_dict(
        {key: part for key, part in closed(DESCRIPTION).items() if key != "security"},
        config=schemathesis.Config(),
    )


@attrs.frozen
class World:
    """A group with approval, the people who ask, codes of which some are dead, who waits, and a
    series of another group of the creator's.
    """

    room_id: str
    callers: Mapping[str, Person | None]
    codes: list[dict[str, Any]]
    waiting: list[str]
    series_id: str
    live_codes: list[str]
    my_codes: list[str]
    announcement_id: str
    plan: Mapping[str, str]

    def ids(self, operation_id: str) -> list[str]:
        """The IDs of codes of which an operation knows some."""
        if "Live" in operation_id:
            return self.live_codes
        if "MyCode" in operation_id:
            return self.my_codes
        return [code["code_id"] for code in self.codes]


def make_world(server: Server) -> World:
    room_id, (creator, member) = server.group(2)
    admin = server.person(admin=True)
    for person in (admin, creator, member):  # Or they would be told that they ask too often.
        path = f"/_synapse/admin/v1/users/{person.user_id}/override_ratelimit"
        expect(admin.call("POST", path, {"messages_per_second": 0, "burst_count": 0}))
    codes = [server.make_code(room_id, creator) for _ in range(2)]
    path = f"{PREFIX}/groups/{quote(room_id, safe='')}/codes/{codes[1]['code_id']}"
    expect(creator.call("DELETE", path))
    expect(creator.call("PUT", f"{PREFIX}/groups/{quote(room_id, safe='')}/approval", {"on": True}))
    waiting = server.people(3)
    for person in waiting:
        assert server.scan(person, codes[0]).reason == "awaiting_approval"
    wish = {"room_id": creator.new_room(), "name": f"tea{next(_names)}", "pattern": "Tea {n}"}
    series_id = expect(creator.call("POST", f"{PREFIX}/series", wish)).body["series_id"]
    path = f"{PREFIX}/series/{series_id}/codes"
    live = [expect(creator.call("POST", path, {})).body["code_id"] for _ in range(2)]
    expect(creator.call("DELETE", f"{path}/{live[1]}"))
    path = f"{PREFIX}/me/codes"
    own = [expect(creator.call("POST", path, {})).body["code_id"] for _ in range(2)]
    expect(creator.call("DELETE", f"{path}/{own[1]}"))
    server.query("DELETE FROM capgroups_owner_notices")
    server.query("INSERT INTO capgroups_owner_notices VALUES (?, 'Hello', ?)", "0" * 16, 10**13)
    path = f"{PREFIX}/series/{series_id}/announcements"
    announcement = expect(creator.call("POST", path, {"text": "Hello"})).body["announcement_id"]
    expect(creator.call("POST", f"{path}/{announcement}/confirm"))
    path = f"{PREFIX}/series/{series_id}/assignments"
    plan = expect(creator.call("POST", path, {"people": [{"user": waiting[0].user_id}]})).body
    return World(
        room_id,
        {"admin": admin, "creator": creator, "member": member, "nobody": None},
        codes,
        [person.user_id for person in waiting],
        series_id,
        live,
        own,
        announcement,
        plan,
    )


@pytest.fixture(scope="module")
def world(server: Server) -> World:
    return make_world(server)


def check(server: Server, case: Any, caller: Person | None) -> Any:
    """Send it, hold the answer against the description, and return the answer."""
    headers = dict(caller._headers) if caller else {}
    response = case.call(base_url=server.homeserver.url, headers=headers, timeout=60)
    case.validate_response(response, checks=CHECKS)
    return response


# Those two would lead to another path before they are sent.
_rubbish = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60
).filter(lambda text: text not in (".", ".."))  # fmt: skip


def mostly(*real: str) -> SearchStrategy[str]:
    chosen = st.sampled_from(real)
    return st.one_of(chosen, chosen, _rubbish)


def cases(operation_id: str, world: World) -> SearchStrategy[Any]:
    """Requests as described and with bodies that are not, for real IDs and for rubbish."""
    operation = api_schema().find_operation_by_id(operation_id)
    modes = [GenerationMode.POSITIVE]
    if operation.body:
        modes.append(GenerationMode.NEGATIVE)
    secrets = [code["secret"] for code in world.codes]

    @st.composite
    def case(draw: st.DrawFn) -> Any:
        made = draw(st.one_of([operation.as_strategy(mode) for mode in modes]))
        made.query = {}
        made.path_parameters = {
            "room_id": quote(draw(mostly(world.room_id)), safe=""),
            "code_id": quote(draw(mostly(*world.ids(operation_id))), safe=""),
            "session_id": quote(draw(mostly("0" * 16)), safe=""),
            "localpart": quote(draw(mostly("porter", "groups")), safe=""),
            "notice_id": draw(st.sampled_from(["0" * 16, "1" * 16])),
            "code_owner": quote(
                draw(mostly(world.room_id, world.waiting[0], world.series_id)), safe=""
            ),
            "series_id": quote(draw(mostly(world.series_id)), safe=""),
            "number": quote(draw(mostly("1")), safe=""),
            "assignment_id": quote(draw(mostly(world.plan["assignment_id"])), safe=""),
            "announcement_id": draw(st.sampled_from([world.announcement_id, "0"])),
            "user_id": quote(draw(mostly(*world.waiting)), safe=""),
        }
        if operation_id in ("startSeries", "takeIntoSeries") and draw(st.booleans()):
            made.body = {**START, "room_id": draw(mostly(world.room_id))}
        if operation_id == "planAssignment" and draw(st.booleans()):
            made.body = {"csv": "user,city\nanna,Ulm\n%,Ulm\n", "by": ["city"]}
        if operation_id == "applyAssignment" and draw(st.booleans()):
            made.body = {"hash": world.plan["hash"]}
        if operation_id == "adoptGroup" and draw(st.booleans()):
            step = {
                "what": "state", "name": "m.room.join_rules",
                "before": {"join_rule": "public"},
                "after": {"join_rule": draw(st.sampled_from(["invite", "knock"]))},
            }  # fmt: skip
            made.body = {"server": "localhost", "steps": [step]}
        if operation_id == "editAnnouncement" and draw(st.booleans()):
            made.body = {"text": "Other"}
        if operation_id == "writeNotice" and isinstance(made.body, dict):
            made.body.pop("apply", None)  # Every owner of the server that tests share would get it.
        if operation_id == "previewCode" and draw(st.booleans()):
            made.body = {"secret": draw(mostly(*secrets))}
        return made

    return case()


def asked() -> Iterable[Any]:
    """Who asks for what, and the answers that have to come up."""
    for operation_id, answers in ANSWERS.items():
        for who, expected in answers.items():
            yield pytest.param(operation_id, who, expected, id=f"{operation_id}-{who}")


@pytest.mark.parametrize(("operation_id", "who", "expected"), list(asked()))
def test_every_answer_is_as_described(
    server: Server, world: World, operation_id: str, who: str, expected: set[str]
) -> None:
    if operation_id in CHANGES:
        world = make_world(server)
    seen = set()

    def ask(case: Any) -> None:
        seen.add(str(check(server, case, world.callers[who]).status_code))

    # Chance decides what is asked: again, until each answer has come up.
    for number in range(MOST_ROUNDS):
        some = settings(
            max_examples=8 if expected == NO_TOKEN else 25,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        seed(number)(some(given(case=cases(operation_id, world))(ask)))()
        if expected <= seen:
            break
    if expected == NO_TOKEN:
        assert seen == NO_TOKEN
    else:
        assert expected <= seen - NO_TOKEN == seen


def request(operation_id: str, room_id: str = "", code_id: str = "", body: Any = None) -> Any:
    operation = api_schema().find_operation_by_id(operation_id)
    body_and_type = {"body": body, "media_type": "application/json"} if body is not None else {}
    path_parameters = {
        "code_owner": "x", "notice_id": "0" * 16, "localpart": "x",
        "room_id": quote(room_id, safe=""), "code_id": quote(code_id, safe=""), "user_id": "x",
        "series_id": "s", "number": "1", "announcement_id": "0",
        "assignment_id": "0", "session_id": "0",
    }  # fmt: skip
    return operation.Case(path_parameters=path_parameters, **cast(Any, body_and_type))


def test_the_answers_about_a_group_that_has_reached_the_code_limit_are_as_described(
    server: Server,
) -> None:
    room_id, people = server.group(CODE_LIMIT - 1)
    code = server.make_code(room_id, people[0])
    server.admit(room_id, people[0], server.person())
    refusal = check(server, request("makeCode", room_id, body={}), people[0])
    assert refusal.json()["org.capgroups.reason"] == "code_closed"
    preview = check(server, request("previewCode", body={"secret": code["secret"]}), None)
    assert preview.json()["state"] == "code_closed"
    for picture in ("getCodeAsPng", "getCodeAsSvg"):
        answer = check(server, request(picture, room_id, code["code_id"]), people[0])
        assert answer.json()["org.capgroups.reason"] == "code_closed"
    assert check(server, request("getGroup", room_id), people[0]).json()["mode"] == "friends"


def test_a_session_of_the_console_is_as_described(server: Server) -> None:
    person = server.person()
    secret = "a" * 28
    server.query(
        "INSERT INTO capgroups_console_links VALUES (?, ?, ?)",
        person.user_id, hashlib.sha256(secret.encode()).hexdigest(), 10**14,
    )  # fmt: skip
    opened = check(server, request("openSession", body={"link": secret}), None).json()
    browser = Person(server.homeserver._http, person.user_id, opened["token"], "")
    (listed,) = check(server, request("listSessions"), browser).json()["sessions"]
    assert listed["this"]
    path = f"{PREFIX}/me/sessions/{opened['session_id']}"
    assert browser.call("DELETE", path).ok
    assert check(server, request("listSessions"), browser).status_code == 401


def test_a_guest_and_a_wrong_token_are_answered_as_described(server: Server, world: World) -> None:
    guest = server.homeserver.register_guest()
    unknown = Person(server.homeserver._http, "@nobody:localhost", "syt_wrong", "")
    for operation_id in ANSWERS.keys() - {"previewCode", "openSession"}:
        body = BODIES.get(operation_id)
        case = request(operation_id, world.room_id, world.codes[0]["code_id"], body)
        assert check(server, case, guest).status_code == 403
        assert check(server, case, unknown).status_code == 401


def test_who_asks_too_often_is_told_so_as_described(start: Starter) -> None:
    server = start(
        module={"cap": 6, "code_limit": 4},
        settings={"rc_message": {"per_second": 0.001, "burst_count": 2}},
    )
    previews = [request("previewCode", body={"secret": "unknown"}) for _ in range(200)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda preview: check(server, preview, None), previews))
    assert {answer.status_code for answer in answers} == {404, 429}
    room_id, people = server.group(1)
    renames = [request("setName", room_id, body={"displayname": str(n)}) for n in range(4)]
    assert {check(server, rename, people[0]).status_code for rename in renames} == {200, 429}


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb"])
def test_a_name_that_is_no_text_is_refused(server: Server, world: World, name: str) -> None:
    creator = world.callers["creator"]
    assert creator is not None
    path = f"{PREFIX}/groups/{quote(world.room_id, safe='')}/name"
    assert creator.call("PUT", path, {"displayname": name}).status == 400


def test_the_pages_are_as_described(server: Server) -> None:
    for page in ("getJoinPage", "getConsole", "getWidget"):
        assert check(server, request(page), None).status_code == 200


def test_every_route_is_described_and_every_description_has_a_route() -> None:
    nothing: Any = None
    routes = Api(
        nothing, PreviewCall(*[nothing] * 4), GroupCalls(*[nothing] * 3),
        ViewCalls(*[nothing] * 3),
        CodeCalls(*[nothing] * 4), RequestCalls(*[nothing] * 4), SeriesCalls(*[nothing] * 3),
        LiveCodeCalls(*[nothing] * 5), AnnouncementCalls(nothing, Mock(), nothing),
        AssignmentCalls(*[nothing] * 5), ForgetCall(*[nothing] * 3),
        CodeDeskCalls(*[nothing] * 3), OwnerMailCalls(*[nothing] * 2),
        RenamingCall(*[nothing] * 2),
        AdoptionCalls(*[nothing] * 3),
        ReportCalls(*[nothing] * 3), SessionCalls(*[nothing] * 5),
        PersonalCodeCalls(*[nothing] * 4), RemarkCalls(*[nothing] * 3),
    )._routes  # fmt: skip
    described: dict[str, list[int]] = {}
    for method, path, operation_id in operations():
        if path.startswith(f"{PREFIX}/"):
            # Any value will do for a parameter.
            below = path.removeprefix(f"{PREFIX}/").replace("{", "").replace("}", "")
            described[operation_id] = [
                number
                for number, route in enumerate(routes)
                if route.method == method and route.path.fullmatch(below)
            ]
    assert {operation_id: len(found) for operation_id, found in described.items()} == dict.fromkeys(
        described, 1
    ), "each has one route"
    assert sorted(n for found in described.values() for n in found) == list(range(len(routes)))
    assert described.keys() == ANSWERS.keys(), "each is tested here"


def examples() -> Iterable[tuple[str, Any, Any]]:
    """Where it stands, what it has to be like, and the example itself."""

    def walk(part: Any, where: str) -> Iterable[tuple[str, Any, Any]]:
        if isinstance(part, list):
            part = dict(enumerate(part))
        if not isinstance(part, dict):
            return
        if "schema" in part:
            if "example" in part:
                yield where, part["schema"], part["example"]
            for name, example in part.get("examples", {}).items():
                yield f"{where}/{name}", part["schema"], example["value"]
        for key, inner in part.items():
            yield from walk(inner, f"{where}/{key}")

    return walk(closed(DESCRIPTION), "")


@pytest.mark.parametrize(("schema", "example"), [pytest.param(*e[1:], id=e[0]) for e in examples()])
def test_every_example_is_as_described(schema: dict[str, Any], example: Any) -> None:
    whole = {**schema, "components": closed(DESCRIPTION["components"])}
    jsonschema.Draft202012Validator(whole).validate(example)


def test_the_description_is_valid_openapi() -> None:
    api_schema().validate()
    ids = [operation_id for _, _, operation_id in operations()]
    assert len(ids) == len(set(ids))
