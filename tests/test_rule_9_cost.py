"""Rule 9: it costs nothing to have it."""

import inspect
import time

import pytest

from synapse_capgroups import module
from synapse_capgroups.demo.person import expect
from tests.conftest import Server, Starter, eventually


def transactions(server: Server) -> float:
    """How many database transactions the module ran so far, by Synapse's own count."""
    return sum(
        value
        for series, value in server.homeserver.metrics().items()
        if series.startswith("synapse_storage_transaction_time_count_total{")
        and 'desc="capgroups_' in series
        and 'desc="capgroups_sweep' not in series  # Once a minute, whatever is said.
    )


def callbacks(server: Server) -> float:
    """How many times Synapse called the module so far, by Synapse's own count."""
    return sum(
        value
        for series, value in server.homeserver.metrics().items()
        if series.startswith("synapse_util_metrics_block_count_total{")
        and "synapse_capgroups.module" in series
        # Given the event alone; one look into a set in memory, for the concierge's own rooms.
        and "check_event_for_spam" not in series
    )


def at_rest(server: Server) -> bool:
    """Whether the concierge has finished greeting those who created groups before this."""
    before = transactions(server)
    time.sleep(0.5)
    return transactions(server) == before


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_message_in_any_room_causes_no_database_access_of_the_module(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={"cap": 6, "code_limit": 4})
    room, people = server.group(3)
    chat = people[0].befriend(people[1])
    space = people[0].new_room(creation_content={"type": "m.space"})
    people[0].send(room, "to warm up")

    assert eventually(lambda: at_rest(server))
    before, calls_before = transactions(server), callbacks(server)
    for person in people:
        for _ in range(5):
            expect(person.send(room, "in a group"))
    expect(people[0].send(chat, "in a direct chat"))
    expect(people[0].send(space, "in a space"))
    expect(people[0].set_state(room, "m.room.topic", {"topic": "state that opens nothing"}))
    receipt = f"/rooms/{room}/receipt/m.read/{expect(people[0].send(room, 'x')).body['event_id']}"
    expect(people[1].call("POST", receipt, {}))
    typing = f"/rooms/{room}/typing/{people[1].user_id}"
    expect(people[1].call("PUT", typing, {"typing": True, "timeout": 1000}))
    assert transactions(server) == before
    assert callbacks(server) - calls_before == 1, "the topic, which is answered from the type alone"

    # The count counts: a join is decided in one transaction, and their name looked up in another.
    person = server.person()
    expect(people[0].invite(room, person))
    before = transactions(server)
    expect(person.join(room))
    assert transactions(server) == before + 2


def test_the_two_callbacks_that_make_every_message_slower_are_not_registered() -> None:
    source = inspect.getsource(module.CapGroups)
    assert "check_event_allowed=" not in source
    assert "on_new_event=" not in source
