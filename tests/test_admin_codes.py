"""`capgroups codes`: the helpdesk looks at codes of anybody and revokes them; it sees no secret."""

import csv
import io
import secrets
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import API, Server, eventually
from tests.test_admin_forget import Admin, admin  # noqa: F401
from tests.test_rule_11_series import start_series
from tests.test_rule_15_forgetting import ask_concierge

pytestmark = pytest.mark.both_engines


def listed(admin: Admin, of: str) -> dict[str, str]:  # noqa: F811
    """The codes by their IDs, each with its state."""
    return {code["code_id"]: code["state"] for code in admin.parsed("codes", of)["codes"]}


def person_with_codes(server: Server) -> tuple[Person, str, list[str], list[str]]:
    """A person, their group, and the IDs and the secrets of its codes, the newest first."""
    person, other = server.people(2)
    room = person.new_room(name="Tea")
    server.admit(room, person, other)
    codes = [server.make_code(room, person) for _ in range(3)][::-1]
    expect(person.call("DELETE", f"{API}/codes/{codes[0]['code_id']}"))
    return person, room, [c["code_id"] for c in codes], [c["secret"] for c in codes]


def test_the_codes_of_a_person_a_group_and_a_series_are_listed_without_secrets(
    server: Server,
    admin: Admin,  # noqa: F811
) -> None:
    person, room, codes, hidden = person_with_codes(server)
    expected = {codes[0]: "code_revoked", codes[1]: "alive", codes[2]: "alive"}
    assert listed(admin, room) == expected
    ask_concierge(server, person, "me")
    of_person = admin.parsed("codes", person.user_id)["codes"]
    assert [code["kind"] for code in of_person] == ["personal", "group", "group", "group"]
    assert of_person[0]["opens"] == of_person[0]["sharer"] == person.user_id
    assert [code["opens"] for code in of_person[1:]] == [room] * 3
    run = start_series(server)
    live = expect(run.call("POST", "/codes", {"label": "Poster"})).body
    (of_series,) = admin.parsed("codes", run.series_id)["codes"]
    assert (of_series["kind"], of_series["label"]) == ("series", "Poster")
    assert of_series["code_id"] == live["code_id"]

    server.query("UPDATE capgroups_codes SET expires_at = 1 WHERE code_id = ?", codes[1])
    assert listed(admin, room)[codes[1]] == "code_expired"
    shown = [admin.run("codes", room, "-o", kind)[1] for kind in ("table", "csv", "json")]
    rows = list(csv.DictReader(io.StringIO(shown[1])))
    assert [row["code_id"] for row in rows] == codes
    logged = server.homeserver.log.read_text()
    for secret in hidden:
        assert not any(secret in text for text in (*shown, logged))
    assert admin.run("codes", server.person().user_id)[:2] == (0, "No codes.\n")


def test_a_long_list_is_read_to_its_end(server: Server, admin: Admin) -> None:  # noqa: F811
    person = server.person()
    room = person.new_room()
    server.make_code(room, person)
    columns = (
        "room_id, sharer, created_at, expires_at, uses, died_of, died_at, door_closed_at, "
        "address_moved_at"
    )
    for number in range(119):
        server.query(
            f"""
            INSERT INTO capgroups_codes (code_id, secret, {columns})
            SELECT ?, ?, room_id, sharer, created_at, expires_at, 0, 'code_revoked',
                {10**14}, 1, 1
            FROM capgroups_codes WHERE room_id = ? AND died_of IS NULL
            """,
            secrets.token_hex(5), f"{room}{number}", room,
        )  # fmt: skip
    assert len(listed(admin, room)) == 120


def test_a_code_is_revoked_or_all_of_somebody_or_of_a_group(server: Server, admin: Admin) -> None:  # noqa: F811
    person, room, codes, _ = person_with_codes(server)
    code = server.make_code(room, person)
    assert admin.run("codes", "--revoke", code["code_id"])[0] == 0
    assert server.preview(code).body["state"] == "code_revoked"
    assert not server.scan(server.person(), code).ok
    assert admin.run("codes", "--revoke", codes[0])[0] == 0  # It is dead already.

    other = server.person()
    elsewhere = other.new_room()
    spared = server.make_code(elsewhere, other)
    assert admin.run("codes", room, "--revoke-all")[2] == "2 codes are revoked.\n"
    assert set(listed(admin, room).values()) == {"code_revoked"}
    again = [server.make_code(room, person), server.make_code(person.new_room(), person)]
    assert admin.run("codes", person.user_id, "--revoke-all")[2] == "2 codes are revoked.\n"
    for dead in again:
        assert server.preview(dead).body["state"] == "code_revoked"
    assert server.preview(spared).body["state"] == "alive"
    closed = "SELECT 1 FROM capgroups_codes WHERE code_id = ? AND door_closed_at IS NULL"
    assert eventually(lambda: server.query(closed, again[0]["code_id"]) == [], 30)
    assert admin.run("codes", person.user_id, "--revoke-all")[2] == "0 codes are revoked.\n"
    told = [facts for word, facts in server.homeserver.journal() if word == "admin"]
    by = admin.person.user_id
    assert {"deed": "revoke", "by": by, "code": code["code_id"]} in told
    assert {"deed": "revoke", "by": by, "of": room, "codes": 2} in told


def test_only_server_admins_may_and_wrong_input_is_told(server: Server, admin: Admin) -> None:  # noqa: F811
    person, room, codes, _ = person_with_codes(server)
    for caller in (person, server.person()):
        for method, path in (
            ("GET", f"of/{quote(room)}"), ("POST", f"of/{quote(room)}/revoke"),
            ("DELETE", codes[1]),
        ):  # fmt: skip
            reply = caller.call(method, f"{API}/admin/codes/{path}", None)
            assert (reply.status, reply.body["errcode"]) == (403, "M_FORBIDDEN")
    assert listed(admin, room)[codes[1]] == "alive"
    for arguments, sentence in (
        (["@nobody-there:localhost"], "There is no @nobody-there:localhost here"),
        (["!nowhere:localhost", "--revoke-all"], "There is no !nowhere:localhost here"),
        (["s-unknown"], "There is no s-unknown here"),
        (["@no one"], "Not a Matrix ID, a room ID or the ID of a series"),
        (["--revoke", "unknown"], "There is no such code"),
        (["--revoke", "a\0b"], "There is no such code"),
    ):
        code, out, err = admin.run("codes", *arguments)
        assert (code, out, err) == (2, "", f"{sentence}\n")
    for wrong in ([], [room, "--revoke", codes[1]], ["--revoke-all"]):
        with pytest.raises(SystemExit) as e:
            admin.run("codes", *wrong)
        assert e.value.code == 2
