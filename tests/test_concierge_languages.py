"""The concierge talks in the server's language, or in the one that a person wrote to it in."""

import json
from typing import Any

from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.words.lookup import Words
from tests.conftest import Clusters, Server, Starter, eventually
from tests.test_concierge import ENGLISH, Chat, person_with_group
from tests.test_rule_13_approval import answer, ask, group_with_approval

GERMAN, CHINESE = Words("de"), Words("zh-Hans")


def member(person: Person, room: str) -> dict[str, Any]:
    return expect(person.state(room, "m.room.member", person.user_id)).body


def test_whoever_writes_in_another_language_is_answered_in_it_until_they_change_again(
    server: Server,
) -> None:
    chat, _ = person_with_group(server)
    assert chat.ask("help") == ENGLISH.say("help")
    assert chat.ask("Hilfe") == GERMAN.say("help")
    assert chat.ask("help") == GERMAN.say("help")  # A command is the same in all languages.
    assert chat.ask("code nowhere") == GERMAN.say("no_such_group", said="nowhere")
    assert chat.ask("帮助") == CHINESE.say("help")
    assert chat.ask("In English, please") == ENGLISH.say("language")
    assert chat.ask("help") == ENGLISH.say("help")
    # The name of a picture is no word of theirs.
    picture = {"msgtype": "m.image", "body": "Hilfe", "url": "mxc://a/b"}
    before = len(chat.messages())
    expect(chat.person.call("PUT", f"/rooms/{chat.room}/send/m.room.message/1", picture))
    assert eventually(lambda: len(chat.messages()) > before)
    assert chat.ask("help") == ENGLISH.say("help")
    other, _ = person_with_group(server)
    assert other.ask("help") == ENGLISH.say("help")


def test_the_language_of_the_server_is_where_everybody_begins(start: Starter) -> None:
    server = start(module={"language": "de"})
    chat, _ = person_with_group(server, "Tee")
    assert chat.ask("help") == GERMAN.say("help")
    assert chat.ask("hello") == ENGLISH.say("help")
    assert chat.ask("deutsch") == GERMAN.say("language")
    # The sweep may have forgotten the row by now.
    on_record = "SELECT language FROM capgroups_readers WHERE language IS NOT NULL"
    assert server.query(on_record) == []


def test_a_name_in_another_language_changes_nothing(server: Server) -> None:
    chat, room = person_with_group(server, "Hilfe für Kinder")
    assert "created the group" in chat.ask("who Hilfe für Kinder")
    assert chat.ask("name Hilfe: Der Schreiner") == ENGLISH.say(
        "named", group="Hilfe für Kinder", name="Der Schreiner"
    )
    assert member(chat.person, room)["displayname"] == "Der Schreiner"


def test_what_others_read_stays_in_the_servers_language(server: Server) -> None:
    chat, room = person_with_group(server)
    _, text = chat.say("Wie lade ich Leute ein?", answers=2)
    assert str(text["body"]).startswith("Beitrittscode für Tea")
    ((door,),) = server.query("SELECT door FROM capgroups_codes WHERE room_id = ?", room)
    ((event,),) = server.query(
        "SELECT json FROM event_json JOIN current_state_events AS s USING (event_id) "
        "WHERE s.room_id = ? AND s.type = 'm.room.name'",
        str(door),
    )
    assert json.loads(str(event))["content"]["name"] == ENGLISH.say("door_name", group="Tea")


def test_what_is_said_unasked_is_in_the_readers_language_not_in_that_of_who_caused_it(
    server: Server,
) -> None:
    room, (creator,), code = group_with_approval(server)
    moderator = Chat(creator)
    bob = ask(server, code)
    assert eventually(lambda: bob.user_id in str(moderator.messages()[-1]["body"]))
    assert moderator.ask("Nein 999") == GERMAN.say("no_such_request", number=999)
    expect(answer(creator, room, bob, approve=False))
    refused = Chat(bob)
    told = ENGLISH.say("request_refused", group="A group")
    assert eventually(lambda: [m["body"] for m in refused.messages()][1:] == [told])

    eve = server.person()
    eve.new_room(name="Eve's")
    reader = Chat(eve)
    assert reader.ask("谢谢") == CHINESE.say("welcome")
    ask(server, code, eve)
    expect(answer(creator, room, eve, approve=False))
    told = CHINESE.say("request_refused", group="A group")
    assert eventually(lambda: reader.messages()[-1]["body"] == told)


def test_every_worker_knows_the_language_and_so_does_the_next_start(
    start_cluster: Clusters,
) -> None:
    server, cluster = start_cluster(module={}, workers=2)
    chat, _ = person_with_group(server)

    def answers() -> list[str]:
        found = []
        for worker in range(2):
            chat.person = cluster.on(chat.person, worker)
            found.append(chat.ask("help"))
        return found

    assert answers() == [ENGLISH.say("help")] * 2
    assert chat.ask("Hilfe") == GERMAN.say("help")
    assert answers() == [GERMAN.say("help")] * 2
    assert chat.ask("english") == ENGLISH.say("language")
    assert chat.ask("Hallo") == GERMAN.say("help")
    for worker in cluster.workers:
        worker.kill()
        worker.start()
        assert eventually(worker.is_up, 60)
    assert answers() == [GERMAN.say("help")] * 2
