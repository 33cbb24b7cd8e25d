"""How large everything is: the full run, the quick one, and a tiny one for the test.

Beside another checkout there are more servers, and many rounds tell more than large rooms.
"""

import attrs


@attrs.frozen
class Sizes:
    """Numbers of things; seconds where the name says so."""

    rounds: int
    """Of every comparison."""

    scale: float
    """Of the large server: 1 is all of it."""

    large_room: int
    rooms: int
    room_members: int
    messages: int
    """In a round."""

    code_limit: int
    cap: int
    groups: tuple[int, ...]
    """Members before somebody joins."""
    joins: int
    """In a round."""

    large_groups: tuple[int, ...]
    separate_members: int
    """Of each of some groups in which nobody is a member of two."""
    large_rounds: int

    peer_groups: tuple[int, ...]
    peer_starts: int
    """How often all servers are started."""
    peer_rounds: int
    """Of each start."""
    races: int
    racers: int
    """Who race for one seat."""

    remote_members: int
    """Of the group with very many people of another server."""
    remote_guests: int
    """In a round."""
    remote_rounds: int

    account_rooms: int
    account_rounds: int

    local_people: int
    found_people: int
    listed_chats: int
    """In a friend's `m.direct`."""

    memory_starts: int

    all_groups: int
    all_admissions: int
    direct_chats: int
    decisions: int

    series_groups: int
    series_members: int
    """Of each group."""

    doors: int
    scans: int
    """In a round; at least as many as doors."""
    scan_rounds: int

    chats: tuple[int, int]
    """With the concierge: few, and many."""
    chat_rounds: int
    greeted: int
    """In a round; as many codes are made."""

    busy_people: int
    previews_per_second: int
    preview_rounds: int
    preview_seconds: float


FULL = Sizes(
    rounds=15,
    scale=1,
    large_room=500,
    rooms=30,
    room_members=200,
    messages=30,
    code_limit=100,
    cap=500,
    groups=(10, 99, 150, 499),
    joins=4,
    large_groups=(50, 150, 300, 400, 450, 499),
    separate_members=150,
    large_rounds=5,
    peer_groups=(99, 150),
    peer_starts=4,
    peer_rounds=5,
    races=10,
    racers=15,
    remote_members=400,
    remote_guests=2,
    remote_rounds=6,
    account_rooms=1000,
    account_rounds=7,
    local_people=10_000,
    found_people=1_000,
    listed_chats=10_000,
    memory_starts=3,
    all_groups=1_000_000,
    all_admissions=10_000_000,
    direct_chats=10_000,
    decisions=30,
    series_groups=1000,
    series_members=100,
    doors=50,
    scans=50,
    scan_rounds=5,
    chats=(100, 1_000_000),
    chat_rounds=8,
    greeted=5,
    busy_people=50,
    previews_per_second=200,
    preview_rounds=6,
    preview_seconds=10,
)

BESIDE = attrs.evolve(
    FULL,
    rounds=12,
    large_room=200,
    rooms=15,
    room_members=100,
    messages=20,
    groups=(10, 99, 150),
    joins=3,
    series_groups=1000,
    series_members=100,
    doors=10,
    scans=30,
    scan_rounds=3,
)

QUICK = Sizes(
    rounds=3,
    scale=0.01,
    large_room=30,
    rooms=3,
    room_members=20,
    messages=10,
    code_limit=15,
    cap=30,
    groups=(10, 29),
    joins=2,
    large_groups=(10, 20),
    separate_members=5,
    large_rounds=2,
    peer_groups=(10, 20),
    peer_starts=2,
    peer_rounds=2,
    races=3,
    racers=9,
    remote_members=20,
    remote_guests=2,
    remote_rounds=2,
    account_rooms=20,
    account_rounds=2,
    local_people=200,
    found_people=50,
    listed_chats=500,
    memory_starts=1,
    all_groups=20_000,
    all_admissions=200_000,
    direct_chats=1_000,
    decisions=8,
    series_groups=200,
    series_members=50,
    doors=5,
    scans=10,
    scan_rounds=1,
    chats=(100, 10_000),
    chat_rounds=2,
    greeted=3,
    busy_people=20,
    previews_per_second=50,
    preview_rounds=1,
    preview_seconds=3,
)

TINY = attrs.evolve(
    QUICK,
    rounds=2,
    scale=0.0005,
    large_room=3,
    rooms=2,
    room_members=3,
    messages=2,
    code_limit=3,
    cap=4,
    groups=(2, 3),
    joins=1,
    large_groups=(2, 3),
    separate_members=2,
    large_rounds=1,
    peer_groups=(2, 3),
    peer_starts=1,
    peer_rounds=1,
    races=1,
    racers=6,
    remote_members=2,
    remote_guests=1,
    remote_rounds=1,
    account_rooms=2,
    account_rounds=1,
    local_people=60,
    found_people=45,
    listed_chats=20,
    all_groups=300,
    all_admissions=3_000,
    direct_chats=20,
    decisions=1,
    series_groups=5,
    series_members=3,
    doors=2,
    scans=2,
    scan_rounds=1,
    chats=(1, 3),
    chat_rounds=1,
    greeted=1,
    busy_people=4,
    previews_per_second=20,
    preview_rounds=1,
    preview_seconds=0.5,
)
