"""The random walk: each step is one thing that somebody does, and then everything is looked at."""

from collections.abc import Collection
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.conftest import Server
from tests.fuzz.model import Promise
from tests.fuzz.world import MOST_GROUPS, PEOPLE, World

_people = st.integers(0, PEOPLE - 1)
_some = st.integers(0, 7)
_ANYBODY = 10
_role = st.integers(0, _ANYBODY + PEOPLE - 1)


def _has_groups(machine: Any) -> bool:
    return bool(machine.world.groups)


def _has_codes(machine: Any) -> bool:
    return bool(machine.world.codes)


def _has_chats(machine: Any) -> bool:
    return bool(machine.world.chats)


class Machine(RuleBasedStateMachine):
    """Random people in a world of their own. Numbers of groups and codes are taken as they fit."""

    server: Server
    promises: Collection[Promise] = tuple(Promise)
    worlds: ClassVar[list[World]]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.server, self.promises)
        self.worlds.append(self.world)

    def _group(self, number: int) -> int:
        # The youngest first: most is of interest there. The same for codes.
        return -1 - number % len(self.world.groups)

    def _code(self, number: int) -> int:
        return -1 - number % len(self.world.codes)

    # A walk in which everybody is anybody meets little but "you are not in this group".

    def _member(self, group: int, number: int) -> int:
        """Mostly a member, by turns anybody."""
        members = sorted(self.world.groups[self._group(group)].members)
        if number >= _ANYBODY or not members:
            return number % PEOPLE
        return members[number % len(members)]

    def _stranger(self, group: int, number: int) -> int:
        members = self.world.groups[self._group(group)].members
        strangers = [person for person in range(PEOPLE) if person not in members]
        if number >= _ANYBODY or not strangers:
            return number % PEOPLE
        return strangers[number % len(strangers)]

    def _moderator(self, group: int, number: int) -> int:
        of = self.world.groups[self._group(group)]
        moderators = [of.creator, *sorted(of.may_share & of.members)]
        if number >= _ANYBODY:
            return number % PEOPLE
        return moderators[number % len(moderators)]

    @initialize(so_far=st.integers(0, 5))
    def a_group(self, so_far: int) -> None:
        """A walk begins somewhere on the way: what follows on more is of interest, too."""
        self.world.create(0)
        if so_far >= 1:
            self.world.make_code(0, 0)
        if so_far >= 2:
            self.world.scan(1, 0)
        if so_far >= 3:
            self.world.set_level(1, 0, promote=True)
            self.world.make_code(1, 0)
        if so_far >= 4:
            self.world.meet_concierge(0)
        if so_far >= 5:
            self.world.leave(1, 0)

    @precondition(lambda self: len(self.world.groups) < MOST_GROUPS)
    @rule(by=_people)
    def create(self, by: int) -> None:
        self.world.create(by)

    @precondition(_has_groups)
    @rule(group=_some, by=_role, person=_role)
    def invite(self, group: int, by: int, person: int) -> None:
        self.world.invite(
            self._member(group, by), self._stranger(group, person), self._group(group)
        )

    @precondition(_has_groups)
    @rule(group=_some, person=_role)
    def join(self, group: int, person: int) -> None:
        self.world.join(self._stranger(group, person), self._group(group))

    @precondition(_has_groups)
    @rule(group=_some, by=_role, person=_role, friends=st.booleans())
    def bring(self, group: int, by: int, person: int, friends: bool) -> None:
        """An invitation, and its answer at once."""
        inviter, invited = self._member(group, by), self._stranger(group, person)
        if friends:
            self.world.befriend(inviter, invited)
        self.world.invite(inviter, invited, self._group(group))
        self.world.join(invited, self._group(group))

    @precondition(_has_groups)
    @rule(group=_some, person=_role)
    def leave(self, group: int, person: int) -> None:
        self.world.leave(self._member(group, person), self._group(group))

    @precondition(_has_groups)
    @rule(group=_some, by=_role, person=_role, ban=st.booleans())
    def remove(self, group: int, by: int, person: int, ban: bool) -> None:
        who = self._moderator(group, by), self._member(group, person), self._group(group)
        (self.world.ban if ban else self.world.kick)(*who)

    @precondition(_has_groups)
    @rule(group=_some, person=_role)
    def knock(self, group: int, person: int) -> None:
        self.world.knock(self._stranger(group, person), self._group(group))

    @precondition(_has_groups)
    @rule(group=_some, person=_role, promote=st.booleans())
    def set_level(self, group: int, person: int, promote: bool) -> None:
        self.world.set_level(self._member(group, person), self._group(group), promote=promote)

    @precondition(_has_groups)
    @rule(group=_some, by=_role, max_uses=st.sampled_from([None, None, None, 1, 2]))
    def make_code(self, group: int, by: int, max_uses: int | None) -> None:
        self.world.make_code(self._moderator(group, by), self._group(group), max_uses)

    @precondition(_has_codes)
    @rule(person=_people, code=_some)
    def preview(self, person: int, code: int) -> None:
        self.world.preview(person, self._code(code))

    @precondition(_has_codes)
    @rule(person=_people, code=_some, by_id=st.booleans())
    def scan(self, person: int, code: int, by_id: bool) -> None:
        self.world.scan(person, self._code(code), by_id=by_id)

    @precondition(_has_codes)
    @rule(person=_people, code=_some)
    def scan_anew(self, person: int, code: int) -> None:
        """A scan away from the door, as by somebody who was taken out of it by the sweep."""
        self.world.leave_door(person, self._code(code))
        self.world.scan(person, self._code(code))

    @precondition(_has_codes)
    @rule(
        code=_some,
        person=_people,
        how=st.sampled_from(["left", "removed", "knocks"]),
        at_door=st.booleans(),
    )
    def go_and_scan(self, code: int, person: int, how: str, at_door: bool) -> None:
        """Somebody leaves the group or is removed from it, may knock, and scans again."""
        world, number = self.world, self._code(code)
        of = world.codes[number].group
        group = world.groups.index(of)
        others = sorted(of.members - {of.creator})
        if not others:
            return
        who = others[person % len(others)]
        if how == "left":
            world.leave(who, group)
        else:
            world.kick(of.creator, who, group)
        if how == "knocks":
            world.knock(who, group)
        if not at_door:
            world.leave_door(who, number)
        world.scan(who, number)

    @precondition(lambda self: any(g.creator not in self.world.chats for g in self.world.groups))
    @rule(group=_some)
    def meet_concierge(self, group: int) -> None:
        self.world.meet_concierge(self.world.groups[self._group(group)].creator)

    @precondition(_has_chats)
    @rule(which=_some, text=st.sampled_from(["help", "groups", "codes 1", "who 1", "hello"]))
    def ask(self, which: int, text: str) -> None:
        self.world.ask(self._talker(which), text)

    @precondition(_has_chats)
    @rule(which=_some, group=_some)
    def ask_for_code(self, which: int, group: int) -> None:
        self.world.ask_for_code(self._talker(which), self._group(group))

    @precondition(_has_chats)
    @rule(which=_some, other=_people)
    def invite_to_chat(self, which: int, other: int) -> None:
        person = self._talker(which)
        if person != other:
            self.world.invite_to_chat(person, other)

    def _talker(self, which: int) -> int:
        return sorted(self.world.chats)[which % len(self.world.chats)]

    @precondition(_has_groups)
    @rule(person=_people, which=_some)
    def add_address(self, person: int, which: int) -> None:
        rooms = [group.room_id for group in self.world.groups]
        rooms += [code.door for code in self.world.codes if code.door]
        rooms += self.world.chats.values()
        self.world.add_address(person, rooms[which % len(rooms)])

    @precondition(_has_codes)
    @rule(
        code=_some,
        how=st.sampled_from(["level", "suspended", "left"]),
        again=st.booleans(),
        scanner=_people,
    )
    def unsettle_sharer(self, code: int, how: str, again: bool, scanner: int) -> None:
        """A sharer loses what a code rests on, may have it back, and somebody scans."""
        number = self._code(code)
        self._unsettle(number, how, again)
        self.world.scan(scanner, number)

    def _unsettle(self, number: int, how: str, again: bool) -> None:
        of = self.world.codes[number]
        group = self.world.groups.index(of.group)
        others = sorted(of.group.members - {of.sharer})
        if how == "level":
            self.world.set_level(of.sharer, group, promote=False)
        elif how == "suspended":
            self.world.suspend(of.sharer, suspended=True)
        elif others:
            self.world.leave(of.sharer, group)
        if not again:
            return
        if how == "level":
            self.world.set_level(of.sharer, group, promote=True)
        elif how == "suspended":
            self.world.suspend(of.sharer, suspended=False)
        elif others:
            self.world.invite(others[0], of.sharer, group)
            self.world.join(of.sharer, group)

    @precondition(_has_codes)
    @rule(what=st.integers(0, 9), person=_people, which=_some)
    def something_rare(self, what: int, person: int, which: int) -> None:
        """One of those things that matter, but not in every walk."""
        world, group, code = self.world, self._group(which), self._code(which)
        if what == 0:
            world.revoke(person, code)
        elif what == 1:
            world.invite_concierge(self._member(group, person), group)
        elif what == 2:
            world.claim_dead_address(person, code)
        elif what == 3:
            world.open_up(self._moderator(group, person), group, which % 4)
        elif what == 4:
            world.set_alias(self._member(group, person), group)
            world.set_global_name(self._member(group, person))
        elif what == 5:
            for suspended in sorted(world.model.suspended):
                world.suspend(suspended, suspended=False)
        elif what == 6:
            world.unfriend(person, which % PEOPLE)
        elif what == 7 and len(world.groups) <= MOST_GROUPS:
            world.upgrade(group)
        elif what == 8:
            for banned in sorted(world.groups[group].banned):
                world.unban(world.groups[group].creator, banned, group)
        elif which == 7 and not world.restarts:
            world.restart()

    @invariant()
    def everything_holds(self) -> None:
        self.world.check()


def machine(on: Server, checked: Collection[Promise]) -> type[Machine]:
    """The machine that walks on this server, of which hypothesis makes one for each walk."""

    class Here(Machine):
        server = on
        promises = checked
        worlds: ClassVar[list[World]] = []

    return Here
