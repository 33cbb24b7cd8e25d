"""The languages' files: complete, alike, used, and right about one and many."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import synapse_capgroups
from synapse_capgroups.demo.person import expect
from synapse_capgroups.rules.assignment.facts import Why
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.storage.admissions import How
from synapse_capgroups.words import languages
from synapse_capgroups.words.languages import LANGUAGES, is_plural, own_texts
from synapse_capgroups.words.lookup import Audience, Words
from tests.conftest import Starter
from tests.test_concierge import person_with_group

PACKAGE = Path(synapse_capgroups.__file__).parent
SPOKEN = (
    "errors",
    "concierge",
    "series",
    "states",
    "cards",
    "doors",
    "assignments",
    "announcements",
)
ALL = {language: Words(language) for language in LANGUAGES}

every_language = pytest.mark.parametrize("language", LANGUAGES)


def leaves(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Each text of a file, with the keys that lead to it."""
    for key, value in tree.items():
        if isinstance(value, dict) and not is_plural(value):
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def spoken_keys() -> set[str]:
    english = own_texts("en")
    return {key for section in SPOKEN for key in english[section]}


@every_language
def test_every_language_has_every_text_with_the_same_values(language: str) -> None:
    english, own = dict(leaves(own_texts("en"))), dict(leaves(own_texts(language)))
    assert set(own) == set(english)
    for key, text in own.items():
        model = english[key]
        assert is_plural(text) == is_plural(model), key
        if is_plural(text):
            assert text["number"] == model["number"], key
            assert set(text) <= {"number", "one", "other"}, key
            assert fields(text["other"]) == fields(model["other"]), key
            assert fields(text.get("one", "")) <= fields(text["other"]), key
            assert all(form.strip() for form in text.values()), key
        else:
            assert isinstance(text, str), key
            assert text.strip(), key
            assert fields(text) == fields(model), key


@every_language
def test_each_key_is_in_one_section_only(language: str) -> None:
    own = own_texts(language)
    keys = [key for section in SPOKEN for key in own[section]]
    assert len(keys) == len(set(keys))


def test_a_text_that_a_language_lacks_is_told_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {"concierge": {"help": "hilfe"}, "refusals": {"joining": {"full": "voll"}}}
    complete = own_texts("en")
    monkeypatch.setattr(
        languages, "own_texts", lambda language: complete if language == "en" else lacking
    )
    words = Words("de")
    assert words.say("help") == "hilfe"
    assert words.say("text_only") == ALL["en"].say("text_only")
    assert words.refusal(Refusal(Reason.FULL), Audience.JOINING) == "voll"
    assert words.refusal(Refusal(Reason.BANNED), Audience.JOINING).startswith("You are banned")
    assert words.page() == ALL["en"].page()
    assert words.pseudonym([])


@every_language
def test_one_and_many_are_told_apart(language: str) -> None:
    words = ALL[language]
    given = {"most": 5, "code_id": "abc", "state": "x", "sharer": "Anna", "until": "tomorrow"}
    given |= {"group": "Tea", "people": "Bob"}
    counted = {key: text for key, text in leaves(own_texts(language)) if is_plural(text)}
    of_page = {key for key in counted if key.startswith("console_page.")}  # Its script chooses.
    assert (len(counted), len(of_page)) == (14, 8)
    for path, text in counted.items():
        if path in of_page:
            continue
        key = path.split(".")[1]
        for number in (0, 1, 2, 21):
            said = words.say(key, **{**given, text["number"]: number})
            assert "{" not in said
            form = text.get("one", text["other"]) if number == 1 else text["other"]
            assert said == form.format(**{**given, text["number"]: number})
            if number != 1:
                assert str(number) in said


def test_no_text_says_1_people() -> None:
    english, german, chinese = ALL["en"], ALL["de"], ALL["zh-Hans"]
    assert [english.say("for_uses", uses=n) for n in (0, 1, 2)] == [
        ", for 0 people", ", for 1 person", ", for 2 people",
    ]  # fmt: skip
    assert [german.say("for_uses", uses=n) for n in (0, 1, 2)] == [
        ", für 0 Personen", ", für 1 Person", ", für 2 Personen",
    ]  # fmt: skip
    for number in (1, 2):
        assert f"限 {number} 人使用" in chinese.say("for_uses", uses=number)
    line = {"code_id": "abc", "state": "alive", "sharer": "Anna", "until": "tomorrow"}
    assert english.say("code_line", uses=1, **line).endswith("used once")
    assert german.say("code_line", uses=1, **line).endswith("einmal benutzt")
    assert "1 days" not in english.say("lifetime", days=1)
    assert "1 Tage" not in german.say("lifetime", days=1)


def test_every_text_is_used() -> None:
    code = "\n".join(file.read_text() for file in PACKAGE.rglob("*.py"))
    asked = set(re.findall(r'"([a-z_]+)"', code))
    by_value = {f"who_{how.value}" for how in How} | {reason.value for reason in Reason}
    by_value |= {f"left_out_{why.value}" for why in Why}
    assert spoken_keys() - asked - by_value == set()
    page = "".join(
        (PACKAGE / "web" / "static" / name).read_text() for name in ("join.html", "join.js")
    )
    by_state = re.findall(r'"([a-z_]+)"', page)
    known = set(re.findall(r"\$([a-z_]+)|words\.([a-z_]+)", page))
    used = {name for pair in known for name in pair} | set(by_state)
    used |= {f"{state}_{what}" for state in by_state for what in ("do", "why")}
    assert set(own_texts("en")["join_page"]) - used == set()


def test_every_text_is_given_its_values() -> None:
    # What tables are said to lack is asked for by value; tests/test_rule_14_tables.py has each.
    sections = set(SPOKEN) - {"assignments"}
    english = {key: text for section in sections for key, text in own_texts("en")[section].items()}
    seen = set()
    for file in PACKAGE.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if not isinstance(call, ast.Call) or any(given.arg is None for given in call.keywords):
                continue
            asks = getattr(call.func, "attr", getattr(call.func, "id", None)) in ("say", "sorry")
            for key in [
                str(arg.value) for arg in call.args if asks and isinstance(arg, ast.Constant)
            ]:
                text = english[key]
                wanted = fields(text["other"] if is_plural(text) else text)
                assert wanted == {given.arg for given in call.keywords}, f"{file.name}: {key}"
                seen.add(key)
    assert len(seen) > len(english) // 2


@every_language
def test_every_refusal_is_a_whole_sentence(language: str) -> None:
    refusals = own_texts(language)["refusals"]
    assert set(refusals) == {audience.value for audience in Audience} | {"anybody", "of_space"}
    told = set()
    for audience in Audience:
        for reason in [*refusals[audience.value], *refusals["anybody"]]:
            refusal = Refusal(Reason(reason), members=7, limit=5, group="Tea 1")
            text = ALL[language].refusal(refusal, audience)
            assert text.endswith((".", "。"))
            assert not re.search("{|}|None", text)
            told.add(Reason(reason))
    assert told == set(Reason)
    for text in refusals["joining"].values():
        assert fields(text) <= {"limit", "members", "group"}


@pytest.mark.parametrize(
    ("language", "invite_required", "used_up", "not_entitled"),
    [
        ("de", "nur auf Einladung", "ist aufgebraucht", "Das können nur Mitglieder"),
        ("zh-Hans", "仅限受邀加入", "使用次数已达上限", "成员才能这样做"),
    ],
)
def test_refusals_are_in_the_servers_language(
    start: Starter, language: str, invite_required: str, used_up: str, not_entitled: str
) -> None:
    server = start(module={"cap": 6, "code_limit": 5, "language": language})
    words = ALL[language]
    room, people = server.group(2)
    reply = server.person().join(room)
    refusal = Refusal(Reason.INVITE_REQUIRED)
    assert (reply.status, reply.reason) == (403, "invite_required")
    assert reply.error == words.refusal(refusal, Audience.JOINING)
    assert invite_required in reply.error

    code = server.make_code(room, people[0], max_uses=1)
    expect(server.scan(server.person(), code))
    reply = server.scan(server.person(), code)
    assert (reply.status, reply.reason) == (403, "code_used_up")
    assert reply.error == words.refusal(Refusal(Reason.CODE_USED_UP), Audience.JOINING)
    assert used_up in reply.error
    assert expect(server.preview(code)).body["error"] == reply.error

    reply = people[1].make_code(room)
    assert (reply.status, reply.reason) == (403, "not_entitled")
    assert not_entitled in reply.error
    chat, _ = person_with_group(server, "Their own")
    server.admit(room, people[0], chat.person)
    assert chat.ask("code A group") == reply.error
