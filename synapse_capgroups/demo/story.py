"""The story of one group, step by step, from its creation to its last free seat.

A step says what is tried and by whom, tries it over HTTP, and knows what the rules say.
"""

import io
from collections.abc import Callable, Iterator

import attrs
import zxingcpp
from PIL import Image

from synapse_capgroups.codes.pictures import qr_text
from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.rules.verdict import Reason


@attrs.frozen
class Step:
    """Something that is tried.

    Attributes:
        who: the name of the one who tries; a sentence with `what`.
        what: what is tried, in a few words.
        rule: the number of the rule that decides.
        attempt: tries it.
        reason: why the rules refuse it; None if they allow it.
        limit: the limit that must stand in a refusal; None if none decides.
        state: the state of a join code that must be told.
        picture: what to show in the terminal afterwards.
    """

    who: str
    what: str
    rule: int
    attempt: Callable[[], Reply]
    reason: Reason | None = None
    limit: int | None = None
    state: str | None = None
    picture: Callable[[], str] = lambda: ""

    def went_well(self, reply: Reply) -> bool:
        """Whether the server answered what the rules say."""
        if self.reason is None:
            return reply.ok and reply.body.get("state") == self.state
        return (
            reply.status == 403
            and reply.reason == self.reason.value
            and reply.body.get("org.capgroups.limit") == self.limit
        )


def tell(
    register: Callable[[str], Person],
    cap: int,
    code_limit: int,
    filling: Callable[[int, int], None] = lambda done, of: None,
) -> Iterator[Step]:
    """The steps, in order. Each must be tried before the next is asked for.

    Args:
        register: makes an account with this localpart.
        filling: told the group's members while nameless people join it, as (members, goal).
    """
    alice, bob, eve, frank, grace = map(register, ("alice", "bob", "eve", "frank", "grace"))
    extras: list[Person] = []
    server_name = alice.user_id.partition(":")[2]

    def fill_up_to(members: int, by: Person, *, as_friend: bool) -> None:
        while (count := len(alice.members(group))) < members:
            filling(count, members)
            someone = register(f"member{len(extras) + 1}")
            if as_friend:
                by.befriend(someone)
            expect(by.invite(group, someone))
            expect(someone.join(group))
            extras.append(someone)
        filling(members, members)

    created: list[str] = []

    def create() -> Reply:
        reply = alice.create_room(name="Tea on Sundays", invite=[bob.user_id])
        created.append(str(reply.body.get("room_id")))
        return reply

    yield Step("Alice", "creates the group “Tea on Sundays” and invites Bob", 1, create)
    group = created[0]
    yield Step("Bob", "accepts the invitation", 2, lambda: bob.join(group))
    yield Step(
        "Eve,",
        "a stranger, tries to join without an invitation",
        2,
        lambda: eve.join(group),
        Reason.INVITE_REQUIRED,
    )

    codes: list[Reply] = []

    def make_code() -> Reply:
        codes.append(alice.make_code(group))
        return codes[0]

    yield Step(
        "Alice",
        "makes a join code",
        5,
        make_code,
        picture=lambda: qr_text(str(codes[0].body.get("url"))),
    )
    carla = register("carla")
    scanned: list[str] = []

    def scan() -> Reply:
        picture = alice.code_picture(group, str(codes[0].body["code_id"])).picture
        scanned.append(read_picture(picture).partition("#")[2])
        return carla.preview_code(scanned[0])

    yield Step(
        "Carla",
        "scans the picture, and the page in it opens",
        5,
        scan,
        state="alive",
    )
    yield Step(
        "Carla",
        "taps Join: the code's door lets her into the group",
        5,
        lambda: carla.join(f"#j-{scanned[0]}:{server_name}"),
    )

    fill_up_to(code_limit - 1, alice, as_friend=False)
    yield Step(
        "Bob,",
        "who has no friends here, invites Eve; below the code limit any member may",
        2,
        lambda: bob.invite(group, eve),
    )
    yield Step("Eve", f"joins and is member number {code_limit}", 2, lambda: eve.join(group))
    yield Step(
        "Bob",
        f"invites Frank, who is no friend of his; from {code_limit} members on that is not enough",
        2,
        lambda: bob.invite(group, frank),
        Reason.FRIENDS_ONLY,
        code_limit,
    )
    yield Step(
        "Frank",
        "tries to join all the same",
        2,
        lambda: frank.join(group),
        Reason.FRIENDS_ONLY,
        code_limit,
    )

    yield Step(
        "Frank",
        "opens the page of Alice's join code, which died at the code limit",
        5,
        lambda: frank.preview_code(scanned[0]),
        state=Reason.CODE_CLOSED.value,
    )
    yield Step(
        "Alice",
        "tries to make another one",
        5,
        lambda: alice.make_code(group),
        Reason.CODE_CLOSED,
        code_limit,
    )

    chats: list[str] = []

    def start_chat() -> Reply:
        chats.append(bob.start_direct_chat(frank))
        return frank.join(chats[0])

    yield Step("Frank", "and Bob start a direct chat: now they are friends", 3, start_chat)
    yield Step("Bob", "invites Frank again", 2, lambda: bob.invite(group, frank))
    yield Step("Frank", "joins", 2, lambda: frank.join(group))

    fill_up_to(cap - 1, alice, as_friend=True)
    alice.befriend(grace)
    yield Step("Alice", "invites her friend Grace", 2, lambda: alice.invite(group, grace))
    last = register("heidi")
    alice.befriend(last)
    expect(alice.invite(group, last))
    yield Step("Heidi", f"takes the last of the {cap} seats", 4, lambda: last.join(group))
    yield Step(
        "Grace",
        "accepts a moment too late",
        4,
        lambda: grace.join(group),
        Reason.FULL,
        cap,
    )
    yield Step(
        "Alice",
        "tries to invite one more",
        2,
        lambda: alice.invite(group, register("ivan")),
        Reason.FULL,
        cap,
    )
    yield Step(
        "Bob",
        "calls himself “Uncle Bob” in the full group",
        2,
        lambda: bob.set_room_name_of_own(group, "Uncle Bob"),
    )
    yield Step(
        "Alice",
        "tries to list the group in the room directory",
        1,
        lambda: alice.list_in_directory(group, "public"),
        Reason.NOT_LISTED,
    )
    yield Step(
        "Alice",
        "takes it out of the directory, which always works",
        1,
        lambda: alice.list_in_directory(group, "private"),
    )
    yield Step(
        "Alice",
        "tries to make it public",
        1,
        lambda: alice.set_state(group, "m.room.join_rules", {"join_rule": "public"}),
        Reason.NO_PUBLIC_ROOMS,
    )
    address = f"#tea:{server_name}"
    yield Step(
        "Alice",
        f"tries to give it the address {address}",
        1,
        lambda: alice.add_address(group, address),
        Reason.NO_ADDRESSES,
    )
    yield Step(
        "Eve",
        "tries to create a public room",
        1,
        lambda: eve.create_room(name="Everybody", visibility="public"),
        Reason.NOT_LISTED,
    )
    yield Step("Eve", "leaves the group", 4, lambda: eve.leave(group))
    yield Step("Grace", "gets the seat that is free now", 4, lambda: grace.join(group))


def read_picture(picture: bytes) -> str:
    """What a phone's camera reads in a picture with a QR code.

    Raises:
        ValueError: there is none in it.
    """
    found = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    if not found:
        raise ValueError("no QR code in the picture")
    return found[0].text
