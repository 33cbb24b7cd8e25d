"""The dashboard, the alert rules and the runbook fit the server that they are made for."""

import json
import re
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from synapse_capgroups.demo.homeserver import StartError
from synapse_capgroups.demo.person import expect
from synapse_capgroups.storage.schema import SCHEMA_VERSION
from tests.conftest import CAP, CODE_LIMIT, Server, Starter, eventually, joined_rooms, refused
from tests.test_rule_11_live_codes import series_on

DOCS = Path(__file__).parent.parent / "docs"
DASHBOARD: dict[str, Any] = json.loads((DOCS / "grafana-dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
RUNBOOK = (DOCS / "runbook.md").read_text()

# What is left of an expression's words is a metric's name.
_CLAUSE = re.compile(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)")
_NO_NAMES = re.compile(r"\[[^\]]*\]|\b\d+[smhd]?\b|\b(?:and|or|unless|offset|bool)\b|\w+\s*\(")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_SERIES = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_TYPE = re.compile(r"# TYPE (\S+) (\S+)")

Matchers = list[tuple[str, str, str]]


def expressions() -> dict[str, str]:
    """Every expression, by the panel or the alert that it belongs to."""
    found = {
        f"panel {panel['title']}, {target['refId']}": target["expr"]
        for panel in PANELS
        for target in panel.get("targets", [])
    }
    found |= {f"variable {v['name']}": v["definition"] for v in DASHBOARD["templating"]["list"]}
    return found | {f"alert {rule['alert']}": rule["expr"] for rule in ALERTS}


def selectors(expression: str) -> Iterator[tuple[str, Matchers]]:
    """The metrics in an expression, each with its matchers."""
    braces: list[str] = []

    def put_aside(match: re.Match[str]) -> str:
        braces.append(match[0])
        return f"{{b{len(braces) - 1}}}"

    text = re.sub(r"\{[^}]*\}", put_aside, expression)
    if (variable := re.fullmatch(r"label_values\((.*), \w+\)", text)) is not None:
        text = variable[1]
    for name, brace in re.findall(
        r"([a-zA-Z_:][\w:]*)(?:\{b(\d+)\})?", _NO_NAMES.sub(" ", _CLAUSE.sub("", text))
    ):
        yield name, _MATCHER.findall(braces[int(brace)]) if brace else []


def exposition(server: Server) -> str:
    return httpx.get(f"{server.homeserver.url}/_synapse/metrics", timeout=30).text


def fits(labels: dict[str, str], matchers: Matchers) -> bool:
    """Whether a series has the labels that are asked for."""
    for label, how, value in matchers:
        if "$" in value or label == "instance":  # Given by Grafana and by Prometheus.
            continue
        same = re.fullmatch(value, labels.get(label, "")) if "~" in how else value == labels[label]
        if label not in labels or bool(same) == how.startswith("!"):
            return False
    return True


def test_expressions_are_taken_apart() -> None:
    expression = (
        'sum by (x) (rate(a_total{b=~"c.*", d!="e"}[5m])) / on (x) f_count offset 10m > 0.5'
    )
    assert list(selectors(expression)) == [
        ("a_total", [("b", "=~", "c.*"), ("d", "!=", "e")]),
        ("f_count", []),
    ]


def test_every_metric_of_the_dashboard_and_the_alerts_exists(server: Server) -> None:
    room, people = server.group(2)
    assert refused(server.person().join(room), "invite_required")
    expect(server.scan(server.person(), server.make_code(room, people[0])))
    expect(series_on(server, fill=1).scan(server.person()))
    assert eventually(lambda: 'desc="capgroups_sweep_visits"' in exposition(server))
    text = exposition(server)
    suffixes = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("_count", "_sum")}
    registered = {
        name + suffix for name, kind in _TYPE.findall(text) for suffix in suffixes.get(kind, ("",))
    }
    series: dict[str, list[dict[str, str]]] = {}
    for line in text.splitlines():
        if (match := _SERIES.fullmatch(line)) is not None:
            series.setdefault(match[1], []).append(dict(_LABEL.findall(match[2] or "")))

    asked = {(what, name) for what, e in expressions().items() for name, _ in selectors(e)}
    assert {name for _, name in asked if name.startswith("capgroups_")} == {
        "capgroups_decisions_total", "capgroups_decision_seconds_bucket",
        "capgroups_errors_total", "capgroups_groups", "capgroups_breaches_total",
        "capgroups_requests_total", "capgroups_series_groups_total", "capgroups_announced_total",
        "capgroups_assigned_total", "capgroups_remote_seats", "capgroups_withdrawn_total",
        "capgroups_put_right_total",
    }  # fmt: skip
    assert [(what, name) for what, name in sorted(asked) if name not in registered] == []
    # A counter with labels has no series before it counts for the first time.
    assert [
        (what, name, matchers)
        for what, expression in expressions().items()
        for name, matchers in selectors(expression)
        if name in series and not any(fits(labels, matchers) for labels in series[name])
    ] == []
    grouped = {
        label
        for expression in expressions().values()
        for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression)
        for label in labels.split(", ")
    }
    known = {label for found in series.values() for labels in found for label in labels}
    assert grouped - known <= {"instance"}


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: dict[tuple[int, int], str] = {}
    for panel in PANELS:
        at = panel["gridPos"]
        assert at["x"] >= 0
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_the_dashboard_asks_for_its_data_source() -> None:
    (asked,) = DASHBOARD["__inputs"]
    assert (asked["name"], asked["pluginId"]) == ("DS_PROMETHEUS", "prometheus")
    assert DASHBOARD["schemaVersion"] >= 36
    assert DASHBOARD["id"] is None
    shown = [panel for panel in PANELS if panel["type"] != "row"]
    parts = [*shown, *(target for panel in shown for target in panel["targets"])]
    parts += DASHBOARD["templating"]["list"]
    assert {part["datasource"]["uid"] for part in parts} == {"${DS_PROMETHEUS}"}
    assert {panel["type"] for panel in shown} <= {need["id"] for need in DASHBOARD["__requires"]}
    refs = [(panel["id"], target["refId"]) for panel in shown for target in panel["targets"]]
    assert len(set(refs)) == len(refs)


def anchors(page: str) -> set[str]:
    """The anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_alert_says_what_is_wrong_and_where_to_read_on() -> None:
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS) >= 4
    for rule in ALERTS:
        assert rule["alert"] in RUNBOOK
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"].endswith(".")
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert anchor in anchors((DOCS / page).read_text())


def test_the_runbook_leads_to_its_own_sections() -> None:
    links = set(re.findall(r"\]\(#([^)]*)\)", RUNBOOK))
    assert links
    assert links <= anchors(RUNBOOK)


def statements() -> list[str]:
    blocks: list[str] = re.findall(r"^ *```sql\n(.*?)^ *```", RUNBOOK, re.S | re.M)
    return [statement.strip() for block in blocks for statement in block.split(";")[:-1]]


def test_the_runbooks_sql_fits_the_tables(server: Server) -> None:
    # They are made when the server has answered for the first time.
    assert eventually(lambda: server.query("SELECT 1 FROM capgroups_schema") != [])
    assert len(statements()) == 3
    for statement in statements():
        server.query(f"EXPLAIN {statement}")


def switch_off(server: Server) -> None:
    """Stop the server, take the module out of its configuration, start it again."""
    server.homeserver.stop()
    path = server.homeserver.folder / "homeserver.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "modules": []}))
    server.homeserver.start()


def test_the_module_off_and_on_again(start: Starter) -> None:
    config = {"cap": CAP, "code_limit": CODE_LIMIT, "codes": {"door_stay": "2s"}}
    server = start(module=config)
    creator = server.person()
    room, small = creator.new_room(name="Large"), creator.new_room(name="Small")
    code, latecomers = server.make_code(small, creator), server.people(CAP)

    switch_off(server)
    for person in latecomers:
        server.admit(room, creator, person)  # One more than the cap, none of them a friend.
    visitor, banned = latecomers[:2]
    expect(creator.ban(small, banned))
    for person in (visitor, banned):
        expect(server.scan(person, code))  # Only the door.
    assert visitor.user_id not in creator.members(small)
    public = creator.new_room(name="Public", visibility="public", preset="public_chat")

    server.install_module(config)
    assert len(creator.members(room)) == CAP + 1
    assert refused(creator.invite(room, server.person()), "full")
    assert refused(server.person().join(public), "invite_required")
    opened = next(s for s in statements() if "room_stats_state" in s)
    assert eventually(lambda: server.query(opened) == [(public, "Public")])
    expect(creator.list_in_directory(public, "private"))
    assert eventually(lambda: visitor.user_id in creator.members(small))
    (door,) = server.query("SELECT door FROM capgroups_codes")[0]
    assert eventually(lambda: door not in joined_rooms(banned))
    assert refused(server.scan(banned, code), "banned")
    assert banned.user_id not in creator.members(small)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_nobody_is_stuck_in_a_door_that_they_joined_while_the_module_was_off(
    start: Starter, engine: str
) -> None:
    config = {"cap": CAP, "code_limit": CODE_LIMIT}
    server = start(engine, module=config)
    (room, (creator,)), (other_room, (suspended,)) = server.group(1), server.group(1)
    code, expiring = (server.make_code(room, creator) for _ in range(2))
    failing = server.make_code(other_room, suspended)
    early, stranger, late, unlucky = server.people(4)
    door = expect(server.scan(early, code)).body["room_id"]
    expect(early.leave(room))
    visits = "SELECT user_id, leave_at FROM capgroups_visits WHERE door = ?"
    ((_, end),) = server.query(visits, door)

    switch_off(server)
    expect(server.scan(stranger, code))
    expect(server.scan(late, expiring))
    expect(server.scan(unlucky, failing))
    expire = "UPDATE capgroups_codes SET expires_at = ? WHERE code_id = ?"
    server.query(expire, int(time.time() * 1000), expiring["code_id"])
    suspend = f"/_synapse/admin/v1/suspend/{suspended.user_id}"
    admin = server.person(admin=True)
    expect(admin.call("PUT", suspend, {"suspend": True}))  # Whose invitations fail.

    server.install_module(config)
    assert eventually(lambda: stranger.user_id in creator.members(room))
    assert eventually(lambda: joined_rooms(late) == joined_rooms(unlucky) == [])
    assert not server.scan(late, expiring).ok
    expect(admin.call("PUT", suspend, {"suspend": False}))
    assert refused(server.scan(unlucky, failing), "suspended")  # Dead is dead.
    assert suspended.members(other_room) == [suspended.user_id]
    assert creator.members(room) == sorted([creator.user_id, stranger.user_id])

    # Who came while it was on is not brought back into the group, and stays in the door as long as
    # before; the stranger has as long to read the notice, and the concierge is the door's host.
    ends = dict(server.query(visits, door))
    assert set(ends) == {early.user_id, stranger.user_id}
    assert ends[early.user_id] == end < ends[stranger.user_id]
    assert early.members(door) == sorted([early.user_id, stranger.user_id, "@groups:localhost"])


def test_closing_all_codes_before_a_restored_database_is_started(start: Starter) -> None:
    server = start(module={"codes": {"door_stay": "1s"}})
    room, (creator,) = server.group(1)
    code = server.make_code(room, creator)
    server.homeserver.stop()
    close, count = statements()[:2]
    server.query(close)
    server.homeserver.start()
    assert server.preview(code).body["state"] == "code_expired"
    assert eventually(lambda: server.query(count) == [(0,)])
    assert eventually(lambda: refused(server.scan(server.person(), code), "code_expired"))


def test_a_database_of_a_newer_version_stops_the_start_with_the_runbooks_words(
    start: Starter,
) -> None:
    server = start(module={})
    server.homeserver.stop()
    server.query("UPDATE capgroups_schema SET version = version + 1")
    try:
        server.homeserver.start()
        assert server.homeserver.returncode(timeout=30) != 0
        output = server.homeserver.output()
    except StartError as e:
        output = e.output
    (quoted,) = re.findall(r"^> (synapse-capgroups: .*?)\n\n", RUNBOOK, re.S | re.M)
    words = re.sub(r"\\d\+", r"\\d+", re.escape(re.sub(r"\n> ", " ", quoted)))
    assert re.search(re.sub(r"\d+", r"\\d+", words.replace(r"\d+", "0")), output)


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_the_pages_for_operators_are_linked(page: str) -> None:
    text = (DOCS.parent / page).read_text()
    assert all(name in text for name in ("runbook.md", "grafana-dashboard.json", "alerts.yml"))


HEALTH = "/_synapse/client/capgroups/health"


def test_the_health_route_says_version_schema_and_the_last_sweep(server: Server) -> None:
    def health() -> httpx.Response:
        return httpx.get(f"{server.homeserver.url}{HEALTH}")

    assert eventually(lambda: bool(health().json().get("last_sweep_ts")), 20)
    answer = health()
    assert answer.status_code == 200
    found = answer.json()
    assert found.keys() == {"version", "schema", "last_sweep_ts"}
    assert found["version"] == version("synapse-capgroups")
    assert found["schema"] == SCHEMA_VERSION
    assert 0 <= time.time() * 1000 - found["last_sweep_ts"] < 10 * 60 * 1000
    assert httpx.post(f"{server.homeserver.url}{HEALTH}").status_code == 405


def test_whoever_asks_again_and_again_costs_one_look_in_five_seconds(server: Server) -> None:
    looks = 'synapse_storage_transaction_time_count_total{desc="capgroups_health"'

    def looked() -> float:
        found = server.homeserver.metrics().items()
        return sum(value for series, value in found if series.startswith(looks))

    before, begun = looked(), time.monotonic()
    for _ in range(50):
        httpx.get(f"{server.homeserver.url}{HEALTH}")
    assert looked() - before <= 1 + (time.monotonic() - begun) // 5


def test_tables_that_cannot_be_read_are_no_health(start: Starter) -> None:
    server = start(module={})
    url = f"{server.homeserver.url}{HEALTH}"
    assert eventually(lambda: httpx.get(url).status_code == 200, 20)
    server.query("ALTER TABLE capgroups_schema RENAME TO elsewhere")
    try:
        assert eventually(lambda: httpx.get(url).status_code == 503, 20)
    finally:
        server.query("ALTER TABLE elsewhere RENAME TO capgroups_schema")
    assert eventually(lambda: httpx.get(url).status_code == 200, 20)
