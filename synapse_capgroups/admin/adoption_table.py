"""Shows the plan of an adoption: as a table for people, as JSON or CSV for programs."""

import csv
import json
from collections import Counter
from typing import Any, TextIO

from synapse_capgroups.admin.adoption_plan import AdoptionPlan, PlannedRoom
from synapse_capgroups.admin.showing import cell, plain, short
from synapse_capgroups.rules import seclusion
from synapse_capgroups.rules.adoption import Left, Step, What
from synapse_capgroups.rules.exemption import Likeness
from synapse_capgroups.rules.power_levels import POWER_LEVELS

_MEANINGS = {
    "unlist": "The room directory no longer shows it.",
    "close": "Only invited people can join.",
    "history": "People who are not in it can no longer read it.",
    "guests": "Guests can no longer join.",
    "address": "Its addresses are removed: from its state, and from the directory.",
    "power": "People of other servers can write, and neither invite nor moderate.",
}
_STATE = {
    seclusion.JOIN_RULES: "close",
    seclusion.HISTORY_VISIBILITY: "history",
    seclusion.GUEST_ACCESS: "guests",
    seclusion.CANONICAL_ALIAS: "address",
    POWER_LEVELS: "power",
}
_LEFT = {
    Left.ABOVE_CAP: "It has more members than the cap. Nobody is removed.",
    Left.NO_POWER: "Nobody on this server has the power to change all of it.",
    Left.GUESTS_INSIDE: "Guests are in it, whom Synapse would remove. It stays open to guests.",
    Left.NO_WAY_BACK: "Something could be changed and never back. It stays.",
}
_LOOKS = {
    Likeness.AUTO_JOIN: "new accounts are put there",
    Likeness.FEW_WRITE: "ordinary members cannot write",
    Likeness.LARGE: "open, and larger than a group may be",
    Likeness.NAMED: "open, and named like a lobby or announcements",
}


def words_of(room: PlannedRoom) -> list[str]:
    """What is done with a room, a word for each."""
    return list(dict.fromkeys(_word(step) for step in room.way.steps))


def _word(step: Step) -> str:
    if step.what is What.STATE:
        return _STATE[step.name]
    return "unlist" if step.what is What.LISTING else "address"


def as_table(plan: AdoptionPlan, out: TextIO, rows: int) -> None:
    """For people: the counts, the largest rooms, what their owners read, and the hash."""
    changed = plan.changed
    print(f"What would be changed on {plan.server_name}\n", file=out)
    counts = Counter(word for room in changed for word in words_of(room))
    for word, meaning in _MEANINGS.items():
        if counts[word]:
            print(f"{counts[word]:>8,}  {word:<13} {meaning}", file=out)
    left = Counter(why for room in plan.rooms for why in room.way.left)
    for why, meaning in _LEFT.items():
        if left[why]:
            print(f"{left[why]:>8,}  {why.value:<13} {meaning}", file=out)
    print(
        f"\n{len(changed):,} of {len(plan.rooms):,} rooms that break a rule would be changed",
        file=out,
    )
    largest = sorted(changed, key=lambda room: (-room.found.members, room.found.room_id))[:rows]
    if largest:
        print(f"\n{'members':>7}  {'told':<24}  what, and which room", file=out)
    for room in largest:
        what = [*words_of(room), *(f"left: {why.value}" for why in room.way.left)]
        told = room.people[0] if room.people else "nobody"
        more = f" +{len(room.people) - 1}" if len(room.people) > 1 else ""
        told = f"{short(told, 24 - len(more))}{more}"
        print(f"{room.found.members:>7}  {told:<24}  {', '.join(what)}", file=out)
        line = f"{'':>9}{room.found.room_id}  {short(room.found.name or '', 60)}"
        print(line.rstrip(), file=out)
    if len(changed) > len(largest):
        print(f"\n… and {len(changed) - len(largest):,} more: -o csv has them all", file=out)
    _exempt(plan, out)
    if largest:
        print("\nWhat owners are told, here of the first room:\n", file=out)
        for line in largest[0].text.split("\n"):
            print(f"    {plain(line)}".rstrip(), file=out)
        print(f"\nHash: {plan.hash}", file=out)


def _exempt(plan: AdoptionPlan, out: TextIO) -> None:
    proposed = [room for room in plan.rooms if room.exempt is not None]
    if not proposed:
        return
    one = len(proposed) == 1
    looks = (
        "1 room looks like announcements or a lobby"
        if one
        else (f"{len(proposed):,} rooms look like announcements or lobbies")
    )
    them = "it" if one else "them"
    if plan.everything:
        print(f"\n{looks}, and --all changes {them} as well. To leave {them},", file=out)
    else:
        stays = "is left as it is" if one else "are left as they are"
        print(f"\n{looks}, and {stays}. To keep {them} so,", file=out)
    print(
        f"name {them} in the module's configuration and restart Synapse:\n\n"
        "    exempt:\n      rooms:",
        file=out,
    )
    for room in proposed:
        assert room.exempt is not None
        name = short(room.found.name or "without a name", 40)
        print(f"        - '{room.found.room_id}'  # {name}: {_LOOKS[room.exempt]}", file=out)


def as_json(plan: AdoptionPlan, out: TextIO) -> None:
    """The whole plan as one object."""
    whole = {
        "server_name": plan.server_name,
        "hash": plan.hash,
        "rooms": [_record(plan, room) for room in plan.rooms],
    }
    out.write(json.dumps(whole, ensure_ascii=False, indent=1))
    out.write("\n")


def as_csv(plan: AdoptionPlan, out: TextIO) -> None:
    """All rooms that break a rule, one a line."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["room_id", "name", "members", "breaches", "what", "left", "exempt", "changed", "people"]
    )
    for room in plan.rooms:
        record = _record(plan, room)
        record["what"] = words_of(room)
        row = [record[key] for key in ("room_id", "name", "members", "breaches", "what", "left")]
        row += [room.exempt.value if room.exempt else "", record["changed"], record["people"]]
        writer.writerow([cell(value) for value in row])


def _record(plan: AdoptionPlan, room: PlannedRoom) -> dict[str, Any]:
    return {
        **room.to_json(),
        "members": room.found.members,
        "breaches": [breach.value for breach in room.found.breaches],
        "left": [why.value for why in room.way.left],
        "exempt": room.exempt.value if room.exempt else None,
        "changed": bool(room.way.steps) and not plan.is_spared(room),
    }
