"""Who gets into the console, with what, and for how long."""

import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from synapse_capgroups.concierge.console_commands import WIDGET
from synapse_capgroups.console.sessions import (
    LINK_LIFETIME_MS,
    MOST_SESSIONS,
    SESSION_LIFETIME_MS,
    TOKEN_PREFIX,
)
from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.limits.table import CONSOLE_LINKS
from tests.conftest import API, Server, Starter, eventually
from tests.test_concierge import ENGLISH, Chat, person_with_group
from tests.test_rule_5_life_of_codes import suspend
from tests.test_rule_15_forgetting import deactivate

pytestmark = pytest.mark.both_engines

_LINK = re.compile(r"(http\S+/_synapse/client/capgroups/console)#([a-z2-7]{28})")


def link(chat: Chat) -> str:
    """The secret of a link that the concierge gives."""
    found = _LINK.search(chat.ask("console"))
    assert found
    return found[2]


def open_console(server: Server, secret: Any) -> Reply:
    return in_browser(server, "nothing").call("POST", f"{API}/session", {"link": secret})


def in_browser(server: Server, token: str) -> Person:
    """Somebody who has nothing but a token of the console's, or not even that."""
    anybody = server.person()
    return Person(anybody._http, anybody.user_id, token, "")


def session(server: Server, chat: Chat) -> Person:
    """A session that a person has opened by a link."""
    answer = expect(open_console(server, link(chat))).body
    assert answer["user_id"] == chat.person.user_id
    browser = in_browser(server, answer["token"])
    browser.user_id = chat.person.user_id
    return browser


def is_in(browser: Person) -> bool:
    answer = browser.call("GET", f"{API}/groups")
    if answer.status == 401:
        assert answer.body["errcode"] == "M_UNKNOWN_TOKEN"
    return answer.ok


def test_a_link_of_the_concierges_opens_a_session_once(server: Server) -> None:
    chat, room = person_with_group(server, "Tea")
    secret = link(chat)
    answer = expect(open_console(server, secret)).body
    assert answer["token"].startswith(TOKEN_PREFIX)
    browser = in_browser(server, answer["token"])
    (group,) = expect(browser.call("GET", f"{API}/groups")).body["groups"]
    assert (group["room_id"], group["room_name"]) == (room, "Tea")
    again = open_console(server, secret)
    assert again.status == 403
    assert again.error == ENGLISH.say("console_link_used")
    assert is_in(browser)  # Whoever comes second does not end what the first one has.


def test_a_token_of_the_consoles_is_worth_nothing_to_synapse(server: Server) -> None:
    chat, room = person_with_group(server)
    browser = session(server, chat)
    for method, path in (
        ("GET", "/account/whoami"), ("GET", "/sync"), ("GET", f"/rooms/{room}/messages?dir=b"),
        ("POST", "/logout"),
    ):  # fmt: skip
        answer = browser.call(method, path, {} if method == "POST" else None)
        assert (answer.status, answer.body["errcode"]) == (401, "M_UNKNOWN_TOKEN")
    in_address = server.person().by(browser._http)
    in_address._headers = {}
    token = browser._headers["Authorization"].removeprefix("Bearer ")
    assert in_address.call("GET", f"{API}/groups?access_token={token}").status == 401


@pytest.mark.parametrize("said", ["", "x", "a" * 28, "a" * 10_000, "\u0000", "\ud800", None, 5, {}])
def test_whoever_guesses_a_link_gets_nothing(server: Server, said: Any) -> None:
    answer = open_console(server, said)
    assert answer.status in (400, 403)
    assert "token" not in answer.body


def test_a_link_lives_for_ten_minutes_and_a_session_for_twelve_hours(server: Server) -> None:
    assert (LINK_LIFETIME_MS, SESSION_LIFETIME_MS) == (600_000, 43_200_000)
    chat, _ = person_with_group(server)
    old, me = link(chat), chat.person.user_id
    later = "UPDATE capgroups_console_{} SET expires_at = expires_at - ? WHERE user_id = ?"
    server.query(later.format("links"), LINK_LIFETIME_MS, me)
    assert open_console(server, old).status == 403
    browser = session(server, chat)
    server.query(later.format("sessions"), SESSION_LIFETIME_MS - 60_000, me)
    assert is_in(browser)
    server.query(later.format("sessions"), 60_000, me)
    assert not is_in(browser)


def test_a_new_link_ends_the_one_before(server: Server) -> None:
    chat, _ = person_with_group(server)
    first, second = link(chat), link(chat)
    assert open_console(server, first).status == 403
    assert open_console(server, second).ok


def test_of_eight_who_open_a_link_at_once_one_gets_in(server: Server) -> None:
    chat, _ = person_with_group(server)
    secret = link(chat)
    nobody = in_browser(server, "nothing")
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: nobody.call("POST", f"{API}/session", {"link": secret}), range(8))
        )
    assert sorted(answer.status for answer in answers) == [200] + 7 * [403]


def test_console_end_ends_every_session_and_the_link(server: Server) -> None:
    chat, _ = person_with_group(server)
    other, _ = person_with_group(server)
    browsers = [session(server, chat) for _ in range(2)]
    anothers, unused = session(server, other), link(chat)
    assert chat.ask("console end") == ENGLISH.say("console_ended", sessions=2)
    assert not any(map(is_in, browsers))
    assert open_console(server, unused).status == 403
    assert is_in(anothers)
    assert chat.ask("console end please") == ENGLISH.say("console_ended", sessions=0)
    assert chat.ask("console 5") == ENGLISH.say("which_console")


def test_people_see_their_sessions_and_end_one(server: Server) -> None:
    chat, _ = person_with_group(server)
    first, second = session(server, chat), session(server, chat)

    def sessions(person: Person) -> list[dict[str, Any]]:
        return list(expect(person.call("GET", f"{API}/me/sessions")).body["sessions"])

    listed = sessions(second)
    assert [each["this"] for each in listed] == [True, False]
    assert [each["this"] for each in sessions(chat.person)] == [False, False]
    assert all(each["expires_at"] - each["opened_at"] == SESSION_LIFETIME_MS for each in listed)
    mine = {each["session_id"] for each in listed}
    (firsts,) = (each["session_id"] for each in sessions(first) if each["this"])
    stranger = server.person()
    assert sessions(stranger) == []
    assert stranger.call("DELETE", f"{API}/me/sessions/{firsts}").status == 404
    expect(second.call("DELETE", f"{API}/me/sessions/{firsts}"))
    assert not is_in(first)
    assert {each["session_id"] for each in sessions(second)} == mine - {firsts}
    assert second.call("DELETE", f"{API}/me/sessions/{firsts}").status == 404


def test_nobody_has_more_than_ten_sessions(server: Server) -> None:
    chat, _ = person_with_group(server)
    first, second = session(server, chat), session(server, chat)
    now = "UPDATE capgroups_console_sessions SET opened_at = opened_at - 1000 WHERE user_id = ?"
    server.query(now, chat.person.user_id)
    # As many again as if they had been opened in between.
    me = chat.person.user_id
    ((latest, ends),) = server.query(
        "SELECT MAX(opened_at), MAX(expires_at) FROM capgroups_console_sessions WHERE user_id = ?",
        me,
    )
    for number in range(MOST_SESSIONS - 2):
        row = (f"{number} of {me}", str(number), me, latest + 500, ends)
        server.query("INSERT INTO capgroups_console_sessions VALUES (?, ?, ?, ?, ?)", *row)
    last = session(server, chat)
    assert [is_in(browser) for browser in (first, second, last)] == [False, True, True]
    count = "SELECT COUNT(*) FROM capgroups_console_sessions WHERE user_id = ?"
    assert server.query(count, chat.person.user_id) == [(MOST_SESSIONS,)]


def test_who_may_do_nothing_has_no_session(server: Server) -> None:
    admin = server.person(admin=True)
    suspended, locked, gone = (person_with_group(server)[0] for _ in range(3))
    browsers = [session(server, chat) for chat in (suspended, locked, gone)]
    unused = link(gone)
    suspend(server, suspended.person)
    path = f"/_synapse/admin/v2/users/{locked.person.user_id}"
    expect(admin.call("PUT", path, {"locked": True}))
    deactivate(gone.person, admin, erase=False)
    assert not any(map(is_in, browsers))
    assert open_console(server, unused).status == 403
    suspend(server, suspended.person, suspended=False)
    assert is_in(browsers[0])
    me = gone.person.user_id
    for table in ("links", "sessions"):
        rows = f"SELECT 1 FROM capgroups_console_{table} WHERE user_id = ?"
        assert eventually(lambda: server.query(rows, me) == [])  # noqa: B023


def test_from_the_console_a_server_admin_looks_and_changes_nothing(server: Server) -> None:
    admin = server.person(admin=True)
    admin.new_room(name="Tea")
    browser = session(server, Chat(admin))
    expect(browser.call("GET", f"{API}/admin/breaches"))
    answer = browser.call("POST", f"{API}/admin/notices", {"text": "Hello", "apply": True})
    assert answer.status == 403
    assert "access token" in answer.error
    other, _ = person_with_group(server)
    assert session(server, other).call("GET", f"{API}/admin/breaches").status == 403


def test_links_have_a_limit(server: Server) -> None:
    chat, _ = person_with_group(server)
    said = [chat.ask("console") for _ in range(CONSOLE_LINKS.burst + 2)]
    assert _LINK.search(said[0])
    assert not _LINK.search(said[-1])


def test_no_token_and_no_link_is_in_a_log_or_in_the_modules_tables(start: Starter) -> None:
    server = start(module={}, run=False)
    path = server.homeserver.folder / "log.yaml"
    path.write_text(path.read_text().replace("level: INFO", "level: DEBUG"))
    server.homeserver.start()
    chat, _ = person_with_group(server)
    secret = link(chat)
    token = expect(open_console(server, secret)).body["token"]
    assert is_in(in_browser(server, token))
    assert open_console(server, secret).status == 403
    unused = link(chat)
    stored = [
        str(row)
        for table in ("links", "sessions")
        for row in server.query(f"SELECT * FROM capgroups_console_{table}")
    ]
    server.homeserver.stop()
    logged = server.homeserver.log.read_text()
    for each in (secret, unused, token, token.removeprefix(TOKEN_PREFIX)):
        assert each not in logged
        assert not any(each in row for row in stored)
    assert len(stored) == 2


# As a widget.

_WIDGET = re.compile(r"http\S+/_synapse/client/capgroups/widget#widget=([a-z2-7]{28})")


def widget(chat: Chat) -> str:
    """The key of a widget that the concierge puts into the chat."""
    assert chat.ask("console widget") == ENGLISH.say("console_widget")
    content = expect(chat.person.state(chat.room, *WIDGET)).body
    assert content["creatorUserId"] == "@groups:localhost"
    found = _WIDGET.fullmatch(content["url"])
    assert found
    return found[1]


def open_id_token(person: Person) -> str:
    path = f"/user/{person.user_id}/openid/request_token"
    return str(expect(person.call("POST", path, {})).body["access_token"])


def open_widget(server: Server, key: Any, token: Any) -> Reply:
    body = {"widget": key, "openid_token": token}
    return in_browser(server, "nothing").call("POST", f"{API}/session", body)


def test_a_widget_opens_a_session_for_its_own_person_and_nobody_else(server: Server) -> None:
    chat, _ = person_with_group(server)
    other, _ = person_with_group(server)
    key, others = widget(chat), widget(other)
    for _ in range(2):  # It works as often as it is looked at.
        opened = expect(open_widget(server, key, open_id_token(chat.person))).body
        assert opened["user_id"] == chat.person.user_id
        assert is_in(in_browser(server, opened["token"]))
    for wrong in (
        open_widget(server, key, open_id_token(other.person)),
        open_widget(server, others, open_id_token(chat.person)),
        open_widget(server, key, chat.person._token),
        open_widget(server, key, ""),
        open_widget(server, "a" * 28, open_id_token(chat.person)),
        open_widget(server, "x" * 10_000, "y" * 10_000),
        open_console(server, key),
    ):
        assert (wrong.status, wrong.body["errcode"]) == (403, "M_FORBIDDEN")
    assert open_widget(server, key, None).status == 400
    assert open_widget(server, {}, open_id_token(chat.person)).status == 400


def test_an_old_open_id_token_opens_nothing(server: Server) -> None:
    chat, _ = person_with_group(server)
    key, token = widget(chat), open_id_token(chat.person)
    server.query("UPDATE open_id_tokens SET ts_valid_until_ms = 1 WHERE token = ?", token)
    assert open_widget(server, key, token).status == 403


def test_a_newer_widget_and_console_end_take_an_older_one_away(server: Server) -> None:
    chat, _ = person_with_group(server)
    first = widget(chat)
    second = widget(chat)
    assert open_widget(server, first, open_id_token(chat.person)).status == 403
    expect(open_widget(server, second, open_id_token(chat.person)))
    assert chat.ask("console end") == ENGLISH.say("console_ended", sessions=1)
    assert expect(chat.person.state(chat.room, *WIDGET)).body == {}
    assert open_widget(server, second, open_id_token(chat.person)).status == 403
    assert chat.ask("console end") == ENGLISH.say("console_ended", sessions=0)


def test_nobody_else_reads_the_key_or_writes_the_widget(server: Server) -> None:
    chat, _ = person_with_group(server)
    key = widget(chat)
    assert server.person().state(chat.room, *WIDGET).status == 403
    written = chat.person.set_state(
        chat.room, WIDGET[0], {"url": "https://evil.example"}, WIDGET[1]
    )
    assert written.status == 403
    assert key not in server.homeserver.log.read_text()
    for table in ("links", "widgets", "sessions"):
        assert key not in str(server.query(f"SELECT * FROM capgroups_console_{table}"))


def test_in_a_chat_that_its_person_opened_they_add_the_widget_themselves(server: Server) -> None:
    person = server.person()
    body = {"invite": ["@groups:localhost"], "is_direct": True, "preset": "private_chat"}
    room = str(expect(person.call("POST", "/createRoom", body)).body["room_id"])
    chat = Chat(person, room)
    assert eventually(lambda: chat.messages() != [])
    answer = chat.ask("console widget")
    found = _WIDGET.search(answer)
    assert found, answer
    assert answer == ENGLISH.say("console_widget_by_hand", url=found[0])
    expect(open_widget(server, found[1], open_id_token(person)))
    assert chat.ask("console end") == ENGLISH.say("console_ended", sessions=1)
    assert open_widget(server, found[1], open_id_token(person)).status == 403


def test_a_deactivated_accounts_widget_is_forgotten(server: Server) -> None:
    chat, _ = person_with_group(server)
    widget(chat)
    count = "SELECT COUNT(*) FROM capgroups_console_widgets WHERE user_id = ?"
    assert server.query(count, chat.person.user_id) == [(1,)]
    deactivate(chat.person, None, erase=False)
    assert eventually(lambda: server.query(count, chat.person.user_id) == [(0,)])


def test_only_the_configured_client_may_show_the_widget_in_a_frame(server: Server) -> None:
    folder = f"{server.homeserver.url}/_synapse/client/capgroups"
    for page, framed_by in (("console", "'none'"), ("widget", "https://app.element.io")):
        with urllib.request.urlopen(f"{folder}/{page}") as answer:
            policy = str(answer.headers["Content-Security-Policy"])
        assert f"frame-ancestors {framed_by};" in policy
