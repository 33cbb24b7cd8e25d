"""Rule 7: nobody can browse people."""

import random
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.inside.user_search import Find, narrow_user_search
from tests.conftest import Server, Starter, eventually

EVERYBODY_IS_SEARCHED = {"user_directory": {"enabled": True, "search_all_users": True}}


def search(person: Person, term: str, limit: int = 10) -> dict[str, Any]:
    body = {"search_term": term, "limit": limit}
    return expect(person.call("POST", "/user_directory/search", body)).body


def found(person: Person, term: str, limit: int = 10) -> set[str]:
    return {result["user_id"] for result in search(person, term, limit)["results"]}


def people_called(server: Server, name: str, count: int) -> list[Person]:
    people = server.people(count)
    for number, person in enumerate(people):
        path = f"/profile/{person.user_id}/displayname"
        expect(person.call("PUT", path, {"displayname": f"{name} {number}"}))
    return people


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_user_search_shows_only_friends(start: Starter, engine: str) -> None:
    server = start(engine, module={}, settings=EVERYBODY_IS_SEARCHED)
    me, friend, lister, stranger, invited, in_group = people_called(server, "Robin", 6)
    me.befriend(friend)
    # It is enough that the other lists the chat.
    chat = lister.new_room(invite=[me.user_id])
    expect(me.join(chat))
    expect(lister.set_m_direct({me.user_id: [chat]}))
    me.start_direct_chat(invited)
    group = me.new_room(invite=[in_group.user_id])
    expect(in_group.join(group))
    # One side alone: a list of rooms that are no chats of two.
    expect(stranger.set_m_direct({me.user_id: [group, "!nowhere:localhost", 5]}))
    assert eventually(lambda: found(me, "robin") == {friend.user_id, lister.user_id})
    assert found(stranger, "robin") == set()
    assert eventually(lambda: found(friend, "robin") == {me.user_id})

    # Exact Matrix IDs keep working.
    expect(me.invite(group, stranger))
    assert me.call("GET", f"/profile/{stranger.user_id}").ok

    expect(friend.leave(me.m_direct()[friend.user_id][0]))
    assert eventually(lambda: found(me, "robin") == {lister.user_id})

    # What others list is remembered only until they change it.
    expect(lister.set_m_direct({}))
    assert eventually(lambda: found(me, "robin") == set())
    expect(lister.set_m_direct({me.user_id: [chat]}))
    assert eventually(lambda: found(me, "robin") == {lister.user_id})

    assert "in an unknown way" not in server.homeserver.log.read_text(), (
        "Synapse's own search was narrowed"
    )


def test_where_synapse_searches_in_an_unknown_way_friends_are_picked_from_what_it_finds() -> None:
    class Store:
        """As a Synapse of tomorrow might be: no condition of its statement is known."""

        def __init__(self) -> None:
            self.db_pool = self

        async def execute(self, desc: str, query: str, *args: Any) -> list[str]:
            return ["@a", "@b", "@c", "@d"]

        async def search_user_dir(self, user_id: str, term: str, limit: int, locked: bool) -> Any:
            found = await self.db_pool.execute("search", "SELECT a new thing WHERE ?", term)
            results = [{"user_id": who} for who in found[:limit]]
            return {"limited": len(found) > limit, "results": results}

    async def shown(user_id: str, limit: int, find: Find) -> Any:
        return await find({"@b", "@d", "@x"}, limit)

    store = Store()
    api: Any = SimpleNamespace(
        _hs=SimpleNamespace(get_datastores=lambda: SimpleNamespace(main=store))
    )
    narrow_user_search(api, shown)
    for limit, expected in ((1, ["@b"]), (2, ["@b", "@d"])):
        answer = finished(store.search_user_dir("@me", "robin", limit, False))
        assert [result["user_id"] for result in answer["results"]] == expected
        assert answer["limited"] is (limit == 1)


def finished(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing."""
    with pytest.raises(StopIteration) as end:
        work.send(None)
    return end.value.value


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_whatever_chats_people_have_a_search_shows_exactly_their_friends(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={}, settings=EVERYBODY_IS_SEARCHED)
    chance = random.Random(7)
    people = people_called(server, "Sasha", 6)
    lists: dict[Person, dict[str, list[str]]] = {person: {} for person in people}
    pairs: set[frozenset[str]] = set()
    for _ in range(30):
        a, b, *rest = chance.sample(people, 3)
        room = a.new_room(invite=[b.user_id])
        fate = chance.choice(["joined", "joined", "joined", "invited", "left", "third", "waiting"])
        if fate != "invited":
            expect(b.join(room))
        if fate == "left":
            expect(b.leave(room))
        if fate in ("third", "waiting"):
            expect(a.invite(room, rest[0]))
        if fate == "third":
            expect(rest[0].join(room))
        listed = False
        for owner, other in ((a, b), (b, a)):
            if chance.random() < 0.4:
                lists[owner].setdefault(other.user_id, []).append(room)
                listed = True
            elif chance.random() < 0.2:  # Under somebody else's name.
                lists[owner].setdefault(rest[0].user_id, []).append(room)
        if fate == "joined" and listed:
            pairs.add(frozenset((a.user_id, b.user_id)))
    for person, direct in lists.items():
        expect(person.set_m_direct(direct))
    assert pairs

    def friends(person: Person) -> set[str]:
        return {who for pair in pairs if person.user_id in pair for who in pair} - {person.user_id}

    # Synapse takes up names and chats in the background.
    assert eventually(lambda: all(found(p, "sasha", 50) == friends(p) for p in people), 20)


def test_a_friend_is_found_however_many_strangers_match_better(start: Starter) -> None:
    server = start(module={}, settings=EVERYBODY_IS_SEARCHED)
    people = people_called(server, "Kim", 15)
    me, friends = people[0], people[1:4]
    for friend in friends:
        me.befriend(friend)
    assert eventually(lambda: found(me, "kim", 2) <= {friend.user_id for friend in friends})
    two = search(me, "kim", 2)
    assert (len(two["results"]), two["limited"]) == (2, True)
    three = search(me, "kim", 3)
    assert (len(three["results"]), three["limited"]) == (3, False)


def test_the_directory_can_be_left_as_it_is(start: Starter) -> None:
    module = {"directory": {"users": "everyone"}}
    server = start(module=module, settings=EVERYBODY_IS_SEARCHED)
    me, stranger = people_called(server, "Sam", 2)
    assert eventually(lambda: stranger.user_id in found(me, "sam"))


@pytest.mark.parametrize("content", [[], {"x": 5}, {"@a:localhost": "no list"}, {"a": {"b": []}}])
def test_nonsense_in_m_direct_hides_people_and_breaks_nothing(server: Server, content: Any) -> None:
    me, friend = people_called(server, "Lee", 2)
    me.befriend(friend)
    reply = me.set_m_direct(content)
    assert reply.status in (200, 400)
    search(me, "lee")
