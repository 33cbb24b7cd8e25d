"""CSV as spreadsheets write it: bytes become text, text a table, and a table text again."""

import csv
import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from synapse_capgroups.rules.assignment.flaws import RowFlaw, TableFlaw, UnreadableTable
from synapse_capgroups.rules.assignment.table import (
    FORMULA_STARTS,
    MAX_BYTES,
    MAX_CELL,
    Rows,
    Table,
    check_count,
    checked_columns,
    chosen_columns,
)

_HEADER_WITHIN = 10  # rows, blank ones before it included
_SEPARATORS = (",", ";", "\t")
# Not `str.splitlines`, which ends lines at characters that a cell may have.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_BREAK = re.compile("\r\n|\r|\n")


def decoded(data: bytes) -> str:
    """The text of a file: UTF-8, or UTF-16 if it begins with its mark.

    Raises:
        UnreadableTable: it is too large, or something else. Which of the many encodings with a
            byte for each letter it is cannot be known, and a guess would change people's names.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableTable(TableFlaw.TOO_LARGE, limit=MAX_BYTES // 1_000_000)
    encoding = "UTF-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "UTF-8"
    try:
        return data.removeprefix(BOM_UTF8).decode(encoding)
    except UnicodeDecodeError as e:
        before = e.object[: e.start].decode(encoding, "ignore")
        raise UnreadableTable(
            TableFlaw.ENCODING, line=_line_at(before, len(before)), encoding=encoding
        ) from None


def read_csv(text: str, server_name: str, by: Sequence[str] = ()) -> Table:
    """Read a table whose first line names the columns.

    Args:
        server_name: of this homeserver, for people who are named without it.
        by: the columns that are asked for, as `column_name` gives them. Without any, the column
            `group` is read if there is one.

    Raises:
        UnreadableTable: its form is broken. What is wrong with single rows is in the table.
    """
    text = text.removeprefix("\ufeff")
    _check(text)
    header_end, names, separator = _header(text)
    columns = checked_columns(names)
    rows = Rows(server_name, chosen_columns(columns, by))
    records = _records(text, separator, after=header_end)
    for number, (line, end, cells) in enumerate(records, start=1):
        check_count(number)
        if isinstance(cells, RowFlaw):
            rows.refuse(line, end, cells, limit=MAX_CELL)
        elif len(cells) != len(columns) and any(cell.strip() for cell in cells):
            rows.refuse(line, end, RowFlaw.RAGGED, cells=len(cells), columns=len(columns))
        elif any(cell.strip() for cell in cells):
            rows.add(line, end, dict(zip(columns, cells, strict=True)))
    return rows.table()


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV that a spreadsheet opens without computing anything."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([[neutral(cell) for cell in row] for row in rows])
    return out.getvalue()


def neutral(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; reading it again gives what it was."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def _check(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as e:
        line = _line_at(text, e.start)
        raise UnreadableTable(TableFlaw.ENCODING, line=line, encoding="UTF-8") from None
    if size > MAX_BYTES:
        raise UnreadableTable(TableFlaw.TOO_LARGE, limit=MAX_BYTES // 1_000_000)
    if (place := text.find("\0")) >= 0:
        raise UnreadableTable(TableFlaw.NUL, line=_line_at(text, place))


def _line_at(text: str, place: int) -> int:
    return 1 + sum(1 for _ in _BREAK.finditer(text, 0, place))


def _header(text: str) -> tuple[int, list[str], str]:
    """The last line of the first record that is not blank, its cells, and their separator.

    The separator is the one with which it makes sense: it is there, and leaves no quote in a name.
    """
    found = []
    broken = None
    for separator in _SEPARATORS:
        for line, end, cells in islice(_records(text, separator), _HEADER_WITHIN):
            if isinstance(cells, RowFlaw):
                broken = line
            elif not any(cell.strip() for cell in cells):
                continue
            elif not any('"' in cell for cell in cells):
                found.append((end, cells, separator))
            else:
                broken = line
            break
    several = [header for header in found if len(header[1]) > 1]
    if len(several) > 1:
        raise UnreadableTable(TableFlaw.SEPARATORS, line=several[0][0])
    if several or found:
        return (several or found)[0]
    if broken is not None:
        raise UnreadableTable(TableFlaw.HEADER_QUOTES, line=broken)
    raise UnreadableTable(TableFlaw.EMPTY)


def _records(
    text: str, separator: str, after: int = 0
) -> Iterator[tuple[int, int, list[str] | RowFlaw]]:
    """Each record with its first and last line. What cannot be read ends where its line ends."""
    lines = (found[0] for found in _LINE.finditer(text))
    for _ in range(after):
        next(lines, None)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line = after + reader.line_num + 1
        cells: list[str] | RowFlaw
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as e:
            # The library limits a cell as well, at 128 KiB, and names no type of error.
            cells = RowFlaw.LONG_CELL if "field limit" in str(e) else RowFlaw.QUOTES
        yield line, after + reader.line_num, cells
