"""People as JSON: a list of objects, one for each."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from synapse_capgroups.rules.assignment.flaws import RowFlaw, TableFlaw, UnreadableTable
from synapse_capgroups.rules.assignment.table import (
    MAX_COLUMNS,
    USER,
    Rows,
    Table,
    check_count,
    chosen_columns,
    column_name,
)
from synapse_capgroups.rules.text import is_text


def parsed(text: str) -> list[Any]:
    """The list of people in a file: the list itself, or an object with the list as `people`.

    Raises:
        UnreadableTable: it is no JSON, or no such list.
    """
    try:
        content = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as e:
        raise UnreadableTable(TableFlaw.NOT_JSON, line=e.lineno) from None
    except (ValueError, RecursionError):
        # A number with thousands of digits, or NaN; thousands of brackets.
        raise UnreadableTable(TableFlaw.NOT_PEOPLE) from None
    if isinstance(content, dict):
        content = content.get("people")
    if not isinstance(content, list):
        raise UnreadableTable(TableFlaw.NOT_PEOPLE)
    return content


def read_people(entries: Sequence[object], server_name: str, by: Sequence[str] = ()) -> Table:
    """Read a list of people. An entry may lack a column; it then has no value there.

    Args:
        server_name: of this homeserver, for people who are named without it.
        by: the columns that are asked for, as `column_name` gives them. Without any, the column
            `group` is read if there is one.

    Raises:
        UnreadableTable: nobody has a column that is asked for, or there are too many.
    """
    columns = _columns(entries)
    rows = Rows(server_name, chosen_columns(columns, by))
    for place, entry in enumerate(entries, start=1):
        check_count(place)
        cells = _cells(entry)
        if isinstance(cells, RowFlaw):
            rows.refuse(place, place, cells)
        else:
            rows.add(place, place, cells)
    return rows.table()


def _columns(entries: Sequence[object]) -> list[str]:
    columns = {USER: None}
    for entry in entries:
        if isinstance(entry, Mapping):
            columns |= dict.fromkeys(column_name(str(key)) for key in entry)
        if len(columns) > MAX_COLUMNS:
            raise UnreadableTable(TableFlaw.TOO_MANY_COLUMNS, limit=MAX_COLUMNS)
    return list(columns)


def _cells(entry: object) -> dict[str, str] | RowFlaw:
    if not isinstance(entry, Mapping):
        return RowFlaw.NO_OBJECT
    cells: dict[str, str] = {}
    for key, value in entry.items():
        name = column_name(str(key))
        if name in cells:
            return RowFlaw.SAME_NAME
        match value:
            case None:
                cells[name] = ""
            case str() if is_text(value):
                cells[name] = value
            case bool():
                cells[name] = "true" if value else "false"
            case int() | float():
                cells[name] = str(value)
            case _:
                return RowFlaw.NO_TEXT
    return cells


def _no_number(said: str) -> None:
    raise ValueError(said)
