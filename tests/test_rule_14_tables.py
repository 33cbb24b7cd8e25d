"""Rule 14: tables of people as they really come, and every kind of rubbish in them."""

import csv
import json
from codecs import BOM_UTF8
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_capgroups.rules.assignment.asking import Request, read_request
from synapse_capgroups.rules.assignment.csv_text import csv_text, decoded, read_csv
from synapse_capgroups.rules.assignment.entries import parsed, read_people
from synapse_capgroups.rules.assignment.facts import Asked, Candidate
from synapse_capgroups.rules.assignment.flaws import RowFlaw, TableFlaw, UnreadableTable
from synapse_capgroups.rules.assignment.table import MAX_BYTES, MAX_CELL, MAX_ROWS, Table
from synapse_capgroups.rules.assignment.user_ids import matrix_id
from synapse_capgroups.rules.text import MalformedRequest
from synapse_capgroups.words.languages import LANGUAGES, texts
from synapse_capgroups.words.lookup import Words

SERVER = "example.com"
ANNA = Candidate("@anna:example.com", ("Köln",))
BEN = Candidate("@ben:example.com", ("Ulm",))
TEXT = "user,city\nanna,Köln\nben,Ulm\n"


def read(data: bytes | str, *by: str) -> Table:
    return read_csv(data if isinstance(data, str) else decoded(data), SERVER, by)


def said(flaw: TableFlaw | RowFlaw, values: dict[str, Any]) -> list[str]:
    """The flaw's sentence in each language, with the values that it was raised with."""
    return [Words(language).say(flaw.value, **values) for language in LANGUAGES]


def bad(table: Table) -> list[tuple[int, int, str]]:
    assert all(said(row.flaw, row.values) for row in table.bad_rows)
    return [(row.line, row.end, row.flaw.name) for row in table.bad_rows]


def refused(data: bytes | str, *by: str) -> tuple[str, dict[str, object]]:
    """Why a whole table cannot be read, and the values of the sentence."""
    with pytest.raises(UnreadableTable) as error:
        read(data, *by)
    assert all(said(error.value.flaw, error.value.values))
    return error.value.flaw.name, error.value.values


# What spreadsheets write.


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        BOM_UTF8 + TEXT.encode(),
        TEXT.encode("utf-16"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.strip().encode(),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode(),
        b'"user","city"\n"anna","K\xc3\xb6ln"\n"ben","Ulm"\n',
        "user,city\nanna,Ko\u0308ln\nben, \u00a0Ulm \n".encode(),
        TEXT.replace("user,city", " USER , City ").encode(),
        ("\n , \n" + TEXT + "\n,\n \n\n").encode(),
        b"city,phone,user\nK\xc3\xb6ln,1,anna\nUlm,2,@ben:example.com\n",
    ],
    ids=[
        "plain", "mark", "utf-16-le", "utf-16-be", "crlf", "cr", "no last newline", "semicolons",
        "tabs", "quotes", "decomposed, spaces", "header", "blank rows", "other columns",
    ],
)  # fmt: skip
def test_a_table_as_spreadsheets_write_it_is_read(data: bytes) -> None:
    table = read(data, "city")
    assert (table.people, table.bad_rows) == ([ANNA, BEN], [])


def test_a_cell_may_have_separators_quotes_and_line_ends() -> None:
    table = read('user,city\nanna,"Ulm, ""Mitte""\nSüd"\nben,"a;b\u2028c"\n', "city")
    assert [person.values[0] for person in table.people] == ['Ulm, "Mitte" Süd', "a;b c"]
    assert table.bad_rows == []


def test_a_header_with_another_separator_in_quotes_is_clear() -> None:
    table = read('user,"city;town"\nanna,Ulm\n', "city;town")
    assert table.people == [Candidate("@anna:example.com", ("Ulm",))]


def test_a_table_with_one_column_is_a_table() -> None:
    assert read("user\nanna\n").people == [Candidate("@anna:example.com", ())]


def test_only_the_columns_that_are_asked_for_are_kept() -> None:
    assert read("user,phone,city\nanna,0123,Ulm\n").people == [Candidate("@anna:example.com", ())]


def test_a_column_group_is_read_if_nothing_else_is_asked_for() -> None:
    table = read("user,group\nanna,3\n")
    assert (table.people, table.has_groups) == ([Candidate("@anna:example.com", ("3",))], True)
    assert not read("user,group,city\nanna,3,Ulm\n", "city").has_groups


# Whole tables that cannot be read.


@pytest.mark.parametrize(
    ("data", "flaw", "values"),
    [
        ("user,city\nanna,Ulm\nben,Köln\n".encode("latin-1"), "ENCODING", {"line": 3}),
        ("user,city\r\nbjörn,Ulm\r\n".encode("cp1252"), "ENCODING", {"line": 2}),
        ("user,city\r小明,北京\r".encode("gb18030"), "ENCODING", {"line": 2}),
        (b"\xff\xfe" + TEXT.encode("utf-16-le")[:-1], "ENCODING", {"encoding": "UTF-16"}),
        (TEXT.encode("utf-16-le"), "ENCODING", {"line": 2}),
        ("user,city\nanna,Ulm\n".encode("utf-16-be"), "NUL", {"line": 1}),
        (b"user,city\nanna,Ulm\nben,U\0lm\n", "NUL", {"line": 3}),
        ("user,city\nanna,\ud800\n", "ENCODING", {"line": 2}),
        (b"", "EMPTY", {}),
        (b"\n\n  \n", "EMPTY", {}),
        (BOM_UTF8, "EMPTY", {}),
        (b"user,city;level\nanna,Ulm;1\n", "SEPARATORS", {"line": 1}),
        (b"user|city\nanna|Ulm\n", "NO_USER_COLUMN", {"columns": "user|city"}),
        (b"anna,Ulm\nben,Ulm\n", "NO_USER_COLUMN", {"columns": "anna, ulm"}),
        (b"user,city,,\nanna,Ulm,,\n", "UNNAMED_COLUMN", {"column": 3}),
        (b"user,City,city\nanna,Ulm,Ulm\n", "SAME_NAME", {"name": "city"}),
        (b'user,"city\nanna,Ulm\n', "HEADER_QUOTES", {"line": 1}),
        (b"user" + b",a" * 100, "TOO_MANY_COLUMNS", {"limit": 100}),
        (b"user,town\nanna,Ulm\n", "UNKNOWN_COLUMN", {"name": "city", "columns": "user, town"}),
        (b"user,city\n" + b"a,b\n" * (MAX_ROWS + 1), "TOO_MANY_ROWS", {"limit": MAX_ROWS}),
        (b"user,city\n" + b"\n" * (MAX_ROWS + 1), "TOO_MANY_ROWS", {"limit": MAX_ROWS}),
        (b"\n" * MAX_BYTES, "EMPTY", {}),
        (b"u" * (MAX_BYTES + 1), "TOO_LARGE", {"limit": 20}),
        ("ö" * (MAX_BYTES // 2 + 1), "TOO_LARGE", {"limit": 20}),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isupper() else "",
)
def test_a_table_of_broken_form_is_refused_with_its_line(
    data: bytes | str, flaw: str, values: dict[str, object]
) -> None:
    found, told = refused(data, "city")
    assert found == flaw
    assert told.items() >= values.items()


# Single rows that cannot be read.


@pytest.mark.parametrize(
    ("row", "flaw"),
    [
        ("zoe", "RAGGED"),
        ("zoe,Ulm,3", "RAGGED"),
        (",Ulm", "NO_USER"),
        ("  ,Ulm", "NO_USER"),
        ("zoe m,Ulm", "NO_MATRIX_ID"),
        ("zoe@example.com,Ulm", "NO_MATRIX_ID"),
        ("%40zoe%3Aexample.com,Ulm", "NO_MATRIX_ID"),
        ("@zoe:exa mple.com,Ulm", "NO_MATRIX_ID"),
        ("=cmd|' /C calc'!A0,Ulm", "NO_MATRIX_ID"),
        ("zoë,Ulm", "NO_MATRIX_ID"),
        ("z\u200boe,Ulm", "NO_MATRIX_ID"),
        (f"{'z' * 250},Ulm", "NO_MATRIX_ID"),
        (f"zoe,{'U' * (MAX_CELL + 1)}", "LONG_CELL"),
        (f"zoe,{'U' * 10_000_000}", "LONG_CELL"),
        ('zoe,"Ulm"er', "QUOTES"),
    ],
    ids=lambda value: value[:20],
)
def test_a_bad_row_is_listed_and_the_others_go_on(row: str, flaw: str) -> None:
    table = read(f"user,city\nanna,Köln\n{row}\nben,Ulm\n", "city")
    assert table.people == [ANNA, BEN]
    assert bad(table) == [(3, 3, flaw)]


def test_a_quote_that_is_not_closed_costs_the_lines_that_are_named() -> None:
    table = read('user,city\nanna,Köln\nzoe,"Ulm\nyan,Ulm\nxi,"Ulm"\nben,Ulm\n', "city")
    assert table.people == [ANNA, BEN]
    assert bad(table) == [(3, 5, "QUOTES")]
    table = read('user,city\nanna,Köln\nben,Ulm\nzoe,"Ulm\nyan,Ulm\n', "city")
    assert table.people == [ANNA, BEN]
    assert bad(table) == [(4, 5, "QUOTES")]


def test_after_a_huge_cell_of_many_lines_reading_goes_on() -> None:
    lines = "\n".join(f"p{n},Ulm" for n in range(40_000))
    table = read(f'user,city\nanna,Köln\nzoe,"Ulm\n{lines}\nben,Ulm\n', "city")
    (row,) = table.bad_rows
    assert (row.line, row.flaw) == (3, RowFlaw.LONG_CELL)
    # 40,003 lines after the header: those that are named, and a person for each other.
    assert len(table.people) == 40_003 - (row.end - row.line + 1)
    assert table.people[-1] == BEN


@given(st.text(alphabet="abc@:,;\t\r\n'=ü\u2028 ", max_size=60))
def test_each_line_that_is_not_blank_is_a_person_or_listed(rubbish: str) -> None:
    table = read(f"user,city\n{rubbish}", "city")
    lines = rubbish.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    filled = {n for n, line in enumerate(lines, start=2) if line.replace(",", " ").strip()}
    listed = {row.line for row in table.bad_rows}
    assert all(row.line == row.end for row in table.bad_rows)
    assert listed <= filled
    assert len(listed) == len(table.bad_rows)
    assert len(table.people) + len(listed) == len(filled)


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error_of_the_program(data: bytes) -> None:
    ways: tuple[Callable[[], Table], ...] = (
        lambda: read(data),
        lambda: read(b"user,city\n" + data, "city"),
        lambda: read_people(parsed(decoded(data)), SERVER),
    )
    for read_it in ways:
        try:
            table = read_it()
        except UnreadableTable:
            continue
        assert all(person.user.startswith("@") for person in table.people)


# People.


@pytest.mark.parametrize(
    ("said", "user_id"),
    [
        ("anna", "@anna:example.com"),
        ("Anna", "@anna:example.com"),
        ("@anna", "@anna:example.com"),
        ("@anna:example.com", "@anna:example.com"),
        ("@anna:Example.COM", "@anna:example.com"),
        ("@Anna:example.com", "@Anna:example.com"),
        ("@anna:other.org:8448", "@anna:other.org:8448"),
        ("@anna:[::1]:8448", "@anna:[::1]:8448"),
        ("anna.b-c_d=e/f+1", "@anna.b-c_d=e/f+1:example.com"),
        ("anna:example.com", None),
        ("@:example.com", None),
        ("@anna:", None),
        ("@an%na:example.com", None),
        ("@anna:example.com\n", None),
        ("@anna:a:b", None),
        ("", None),
        ("@", None),
    ],
)
def test_who_is_meant(said: str, user_id: str | None) -> None:
    assert matrix_id(said, SERVER) == user_id


# Formulas.


@pytest.mark.parametrize("cell", ["=1+1", "+49 123", "-5", "@SUM(A1)", "=HYPERLINK(1)"])
def test_a_formula_is_data_and_harmless_when_written_out(cell: str) -> None:
    table = read(f'user,city\nanna,"{cell}"\n', "city")
    assert table.people == [Candidate("@anna:example.com", (cell,))]
    assert csv_text([[cell]]) == f"'{cell}\r\n"
    again = read(csv_text([["user", "city"], ["@anna:example.com", cell]]), "city")
    assert again.people == table.people


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_nothing_that_is_written_begins_as_a_formula_does(cells: list[str]) -> None:
    for written in next(csv.reader([csv_text([cells])]), []):
        assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))


# JSON.


def test_people_are_read_from_json() -> None:
    entries: list[Any] = [
        {"user": "anna", "city": "Ko\u0308ln", "phone": None},
        {"User": "@ben:example.com", "CITY": "Ulm"},
        {"user": "cat", "city": 7},
        {"user": "dan"},
        {"user": "eve", "city": True},
        {"user": "fay", "city": None},
    ]
    for text in (json.dumps(entries), json.dumps({"people": entries})):
        table = read_people(parsed(text), SERVER, ("city",))
        assert table.bad_rows == []
        assert [person.values[0] for person in table.people] == ["Köln", "Ulm", "7", "", "true", ""]


def test_a_bad_entry_is_listed_and_the_others_go_on() -> None:
    entries: list[Any] = [
        {"user": "anna", "city": "Köln"}, 7, {"city": "Ulm"}, {"user": ["zoe"]},
        {"user": "zoe", "city": {"a": 1}}, {"user": "zoe", "city": "Ulm", "City": "Köln"},
        {"user": "zoe", "city": "\ud800"}, {"user": "z%e"}, {"user": "zoe", "city": "\0"},
        {"user": "zoe", "city": "U" * (MAX_CELL + 1)}, {"user": "ben", "city": "Ulm"},
    ]  # fmt: skip
    table = read_people(entries, SERVER, ("city",))
    assert table.people == [ANNA, BEN]
    assert [(line, flaw) for line, _, flaw in bad(table)] == [
        (2, "NO_OBJECT"), (3, "NO_USER"), (4, "NO_TEXT"), (5, "NO_TEXT"), (6, "SAME_NAME"),
        (7, "NO_TEXT"), (8, "NO_MATRIX_ID"), (9, "NO_TEXT"), (10, "LONG_CELL"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ('[\n{"user": "anna"},\n]', "NOT_JSON"),
        ("", "NOT_JSON"),
        ('{"user": "anna"}', "NOT_PEOPLE"),
        ('"anna"', "NOT_PEOPLE"),
        ("[NaN]", "NOT_PEOPLE"),
        ("[" * 100_000, "NOT_PEOPLE"),
        (f"[{'1' * 10_000}]", "NOT_PEOPLE"),
        (json.dumps([{f"c{n}": 1 for n in range(101)}]), "TOO_MANY_COLUMNS"),
        ('[{"user": "anna"}]', "UNKNOWN_COLUMN"),
        (f"[{'1,' * MAX_ROWS}1]", "TOO_MANY_ROWS"),
    ],
    ids=lambda value: value[:20],
)
def test_json_of_another_form_is_refused(text: str, flaw: str) -> None:
    with pytest.raises(UnreadableTable) as error:
        read_people(parsed(text), SERVER, () if flaw == "TOO_MANY_ROWS" else ("city",))
    assert error.value.flaw.name == flaw
    assert all(said(error.value.flaw, error.value.values))


# What is asked for.


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({}, Asked()),
        ({"by": ["City"]}, Asked(("city",))),
        ({"by": ["city"], "size": {"min": 20, "max": 40}}, Asked(("city",), None, 20, 40)),
        ({"size": {"max": 40}}, Asked((), None, 1, 40)),
        ({"size": {"min": 20}}, Asked((), None, 20, None)),
        ({"by": [], "size": None}, Asked()),
    ],
)
def test_a_request_says_what_is_kept_apart_and_how_large(
    body: dict[str, Any], asked: Asked
) -> None:
    assert read_request({"csv": TEXT, **body}, SERVER).asked == asked
    entries = [{"user": "anna", "city": "Ulm"}]
    assert read_request({"people": entries, **body}, SERVER).asked == asked


def test_a_column_group_says_where_people_go_unless_something_else_is_asked_for() -> None:
    def request(**body: Any) -> Request:
        return read_request({"csv": "user,group,city\nanna,3,Ulm\n", **body}, SERVER)

    assert request().asked == Asked(group="group")
    assert request(by=["city"]).asked == Asked(("city",))
    assert request(by=["group"], size={"max": 9}).asked == Asked(("group",), None, 1, 9)
    with pytest.raises(UnreadableTable) as error:
        request(size={"max": 9})
    assert error.value.flaw is TableFlaw.GROUP_AND_SIZES


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"csv": 7},
        {"people": {}},
        {"csv": TEXT, "people": []},
        {"csv": TEXT, "by": "city"},
        {"csv": TEXT, "by": [1]},
        {"csv": TEXT, "by": ["city", "CITY"]},
        {"csv": TEXT, "by": ["user"]},
        {"csv": TEXT, "by": list("abcdef")},
        {"csv": TEXT, "size": 20},
        {"csv": TEXT, "size": {"min": 0}},
        {"csv": TEXT, "size": {"min": True}},
        {"csv": TEXT, "size": {"min": 2.5}},
        {"csv": TEXT, "size": {"min": 10**9}},
        {"csv": TEXT, "size": {"min": 4, "max": 3}},
    ],
    ids=str,
)
def test_a_request_of_another_shape_is_refused_with_a_sentence(body: dict[str, Any]) -> None:
    with pytest.raises(MalformedRequest) as error:
        read_request(body, SERVER)
    assert not isinstance(error.value, UnreadableTable)
    assert "must" in str(error.value)


# What people read.


@pytest.mark.parametrize("flaw", [*TableFlaw, *RowFlaw])
def test_each_flaw_has_a_sentence(flaw: TableFlaw | RowFlaw) -> None:
    for language in LANGUAGES:
        sentence = texts(language)["assignments"][flaw.value]
        assert sentence.endswith((".", "。"))
