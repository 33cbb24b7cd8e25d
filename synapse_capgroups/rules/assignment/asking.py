"""What an organiser asks for, as the HTTP API takes it."""

from collections.abc import Mapping
from typing import Any

import attrs

from synapse_capgroups.rules.assignment.csv_text import read_csv
from synapse_capgroups.rules.assignment.entries import read_people
from synapse_capgroups.rules.assignment.facts import Asked
from synapse_capgroups.rules.assignment.flaws import TableFlaw, UnreadableTable
from synapse_capgroups.rules.assignment.table import GROUP, USER, Table, column_name
from synapse_capgroups.rules.text import MalformedRequest, is_text

_MOST_COLUMNS = 5
_LARGEST = 1_000_000


@attrs.frozen
class Request:
    """A table of people, and how they are sorted into groups."""

    table: Table
    asked: Asked


def read_request(body: Mapping[str, Any], server_name: str) -> Request:
    """Read the body of a request for a plan: `csv` or `people`, `by` and `size`.

    Without `by` and `size`, a column `group` says where each person goes.

    Args:
        server_name: of this homeserver.

    Raises:
        MalformedRequest: the body has not this shape.
        UnreadableTable: nothing in its table can be read.
    """
    by = _by(body.get("by"))
    least, most = _sizes(body.get("size"))
    match body:
        case {"csv": str(text)} if "people" not in body:
            table = read_csv(text, server_name, by)
        case {"people": list(entries)} if "csv" not in body:
            table = read_people(entries, server_name, by)
        case _:
            raise MalformedRequest("Either 'csv' must be text, or 'people' a list of objects")
    if not table.has_groups or by == (GROUP,):
        return Request(table, Asked(by, None, least or 1, most))
    if least or most:
        raise UnreadableTable(TableFlaw.GROUP_AND_SIZES)
    return Request(table, Asked(group=GROUP))


def _by(said: object) -> tuple[str, ...]:
    if said is None:
        return ()
    if not isinstance(said, list) or not all(isinstance(n, str) and is_text(n) for n in said):
        raise MalformedRequest("'by' must be a list of names of columns")
    names = tuple(column_name(name) for name in said)
    if len(names) > _MOST_COLUMNS or len(set(names)) < len(names) or USER in names:
        raise MalformedRequest(
            f"'by' must be a list of at most {_MOST_COLUMNS} different columns, without '{USER}'"
        )
    return names


def _sizes(said: object) -> tuple[int | None, int | None]:
    if said is None:
        return None, None
    if not isinstance(said, Mapping):
        raise MalformedRequest("'size' must be an object with 'min', 'max' or both")
    sizes = [said.get(key) for key in ("min", "max")]
    for size in sizes:
        if size is not None and (type(size) is not int or not 1 <= size <= _LARGEST):
            raise MalformedRequest("'min' and 'max' of 'size' must be whole numbers, 1 or more")
    least, most = sizes
    if least is not None and most is not None and least > most:
        raise MalformedRequest("'min' of 'size' must not be larger than 'max'")
    return least, most
