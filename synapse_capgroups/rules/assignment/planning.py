"""Rule 14: who goes into which group.

People who are in a group already stay there. New people fill the gaps of their value's groups, and
groups are opened for the others. A group without a label in which nobody is yet is opened before
one is made. Groups of the same value are filled as evenly as possible, in the order of Matrix IDs.

`least` is asked of groups that are opened. A group that has people, or the label, is filled even
if it stays smaller. Where a value's people cannot all be placed in groups of the sizes that are
asked for, as many as possible are, and the others are left out: `sizes` has the arithmetic.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import attrs

from synapse_capgroups.rules.assignment.facts import (
    Asked,
    Candidate,
    Label,
    PresentGroup,
    SeriesFacts,
    Why,
)
from synapse_capgroups.rules.assignment.plan import Plan, PlannedGroup, PlannedValue
from synapse_capgroups.rules.assignment.sizes import Demand, Sizes, even_sizes, groups_to_open


@attrs.frozen
class _Sorted:
    """The people of a table, by what can become of them."""

    new: dict[tuple[str, ...], list[str]]
    staying: tuple[tuple[str, int], ...]
    left_out: list[tuple[str, Why]]


class ImpossibleSizesError(ValueError):
    """The smallest size asked for is more than a group has places for."""

    def __init__(self, least: int, most: int) -> None:
        """
        Args:
            least: what is asked for.
            most: the most people that a new group may have.
        """
        super().__init__(f"at least {least} people, but a new group has {most} places")
        self.least = least
        self.most = most


def make_plan(people: Iterable[Candidate], asked: Asked, series: SeriesFacts) -> Plan:
    """The plan for a table.

    Args:
        people: with their values in the columns `asked.by`, or in `asked.group` alone.

    Raises:
        ImpossibleSizesError: no group can have the sizes that are asked for.
    """
    found = _sorted(people, series)
    if asked.group is not None:
        return _by_number(found, series)
    most = series.places_in_new if asked.most is None else min(asked.most, series.places_in_new)
    if asked.least > most:
        raise ImpossibleSizesError(asked.least, most)
    return _by_value(found, asked.by, Sizes(asked.least, most), series)


def _sorted(people: Iterable[Candidate], series: SeriesFacts) -> _Sorted:
    rows: dict[str, tuple[str, ...]] = {}
    twice = set()
    for person in people:
        if person.user in rows:
            twice.add(person.user)
        rows[person.user] = person.values
    new = defaultdict(list)
    staying, left_out = [], []
    for user in sorted(rows):
        if user in series.placed:
            staying.append((user, series.placed[user]))
        elif (why := Why.IN_TWO_ROWS if user in twice else series.barred.get(user)) is not None:
            left_out.append((user, why))
        elif not all(rows[user]):
            left_out.append((user, Why.NO_VALUE))
        else:
            new[rows[user]].append(user)
    return _Sorted(dict(new), tuple(staying), left_out)


@attrs.frozen
class _Vessel:
    """A group that can be filled."""

    number: int
    new: bool
    before: int
    low: int
    high: int


def _by_value(found: _Sorted, by: Sequence[str], sizes: Sizes, series: SeriesFacts) -> Plan:
    newcomers = {
        tuple(sorted(zip(by, values, strict=True))): users for values, users in found.new.items()
    }
    labels = sorted(newcomers)
    unopened = [group for group in series.groups if _is_unopened(group, sizes)]
    present = _vessels_by_label(series, sizes, {group.number for group in unopened})
    demands = [
        Demand(len(newcomers[label]), sum(v.high - v.low for v in present[label]))
        for label in labels
    ]
    counts = groups_to_open(demands, len(unopened) + series.may_be_made, sizes)
    fresh = iter(
        [_Vessel(group.number, False, 0, sizes.least, sizes.most) for group in unopened]
        + [
            _Vessel(number, True, 0, sizes.least, sizes.most)
            for number in range(series.next_number, series.next_number + series.may_be_made)
        ]
    )
    groups: list[PlannedGroup] = []
    values = []
    left_out = found.left_out
    for label, demand, count in zip(labels, demands, counts, strict=True):
        users = newcomers[label]
        placed = demand.placed(count, sizes)
        vessels = present[label] + [next(fresh) for _ in range(count)]
        groups += _poured(users[:placed], label, vessels)
        why = None
        if placed < len(users):
            may_open = demand.may_open(count + 1, sizes)
            why = Why.NO_GROUP_LEFT if may_open else Why.TOO_FEW
            left_out += [(user, why) for user in users[placed:]]
        values.append(PlannedValue(label, len(users), placed, why))
    return _plan(groups, values, found)


def _is_unopened(group: PresentGroup, sizes: Sizes) -> bool:
    return not group.label and group.people == 0 and group.places >= sizes.most


def _vessels_by_label(
    series: SeriesFacts, sizes: Sizes, without: set[int]
) -> defaultdict[Label, list[_Vessel]]:
    found: defaultdict[Label, list[_Vessel]] = defaultdict(list)
    for group in sorted(series.groups, key=lambda group: group.number):
        room = max(0, min(sizes.most - group.people, group.places))
        if room and group.number not in without:
            found[group.label].append(
                _Vessel(group.number, False, group.people, group.people, group.people + room)
            )
    return found


def _poured(users: Sequence[str], label: Label, vessels: Sequence[_Vessel]) -> list[PlannedGroup]:
    """The groups of one value, filled evenly."""
    total = len(users) + sum(vessel.before for vessel in vessels)
    sizes = even_sizes(total, [v.low for v in vessels], [v.high for v in vessels])
    groups, start = [], 0
    for vessel, size in zip(vessels, sizes, strict=True):
        end = start + size - vessel.before
        added = tuple(users[start:end])
        if added:
            groups.append(PlannedGroup(vessel.number, vessel.new, label, vessel.before, added))
        start = end
    return groups


def _by_number(found: _Sorted, series: SeriesFacts) -> Plan:
    """Each person's row says their group. New numbers follow the last one without a gap."""
    names = _names(series)
    wanted: dict[int | None, list[str]] = defaultdict(list)
    for (value,), users in found.new.items():
        wanted[names.get(value.casefold(), _number(value))] += users
    present = {group.number: group for group in series.groups}
    for new in range(series.next_number, series.next_number + series.may_be_made):
        if new not in wanted:
            break
        present[new] = PresentGroup(new, 0, series.places_in_new)
    groups, left_out = [], found.left_out
    for number, users in wanted.items():
        users.sort()
        group = present.get(number) if number is not None else None
        if group is None:
            left_out += [(user, Why.UNKNOWN_GROUP) for user in users]
            continue
        places = max(0, group.places)
        left_out += [(user, Why.GROUP_FULL) for user in users[places:]]
        if added := tuple(users[:places]):
            is_new = group.number >= series.next_number
            groups.append(PlannedGroup(group.number, is_new, group.label, group.people, added))
    return _plan(groups, [], found)


def _names(series: SeriesFacts) -> dict[str, int | None]:
    """The groups by their names. A name that several groups have is none of them."""
    names: dict[str, int | None] = {}
    for group in series.groups:
        name = group.name.casefold()
        names[name] = None if name in names else group.number
    return names


def _number(value: str) -> int | None:
    """A group's number as people write it; None for anything else."""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _plan(groups: list[PlannedGroup], values: list[PlannedValue], found: _Sorted) -> Plan:
    return Plan(
        groups=tuple(sorted(groups, key=lambda group: group.number)),
        values=tuple(values),
        staying=found.staying,
        left_out=tuple(sorted(found.left_out, key=lambda left: left[0])),
    )
