"""What people write to the concierge, and what it must do: two hundred phrasings, three languages.

Those with a command are carried out; those with `?` are asked about, the likeliest first.
"""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_capgroups.concierge.lines import commands
from synapse_capgroups.concierge.parsing import (
    CodeWish,
    code_wish,
    group_and_page,
    group_and_switch,
    numbers,
    splits,
)
from synapse_capgroups.concierge.understanding import LONGEST, Understood, about, understood
from synapse_capgroups.words.languages import LANGUAGES, own_texts
from synapse_capgroups.words.phrases import _LONGEST, COMMANDS, _all, everywhere, plain
from tests.conftest import Server, eventually
from tests.test_concierge import ENGLISH, Chat

DO = {
    "help": """
        help / Help! / HELP / /help / !help / **help** / `help` / ? / ?? / hi / Hi! / hello
        Hey / hello there
        what can you do? / What can I do here? / how does this work? / Who are you?
        I need help / menu / start
        hilfe / Hilfe! / Hallo / hallo! / Moin / Guten Tag / Was kannst du? / Wie geht das?
        wie funktioniert das?
        帮助 / 你好 / 您好！ / 怎么用？ / 你能做什么 / 菜单 / ？
    """,  # noqa: RUF001
    "groups": """
        groups / my groups / list / list my groups / show me my groups / Which groups am I in?
        chats
        gruppen / Meine Gruppen / Zeig mir meine Gruppen / liste
        群 / 我的群 / 群列表 / 我的群聊
    """,
    "code": """
        code / qr / QR / qr code / QR-Code / invite / invitation / link / share / join code
        a join code please
        how do I invite people? / How can I invite someone? / I want to invite friends
        can you make me a qr code
        give me a qr code / show me the link / I need an invite link / how do I add people
        get me a new code
        code bitte / Einladung / Einladungslink / Wie kann ich Leute einladen?
        Wie lade ich Leute ein? / wie lade ich jemanden ein
        Ich brauche einen QR-Code
        gib mir einen Code / Ich möchte jemanden einladen / teilen
        二维码 / 邀请 / 给我二维码 / 怎么邀请人？ / 我要邀请朋友 / 邀请链接 / 生成一个二维码
    """,  # noqa: RUF001
    "code 3": """
        thanks, code 3 / code 3, thanks!
        code 3 / code #3 / Code 3! / /code 3 / **code 3** / code for 3 / code group 3
        code for group number 3 / qr 3
        qr3 / invite to 3 / 3 code / a qr code for group 3 please / code no. 3
        Code für 3 / QR-Code für Gruppe 3 / Einladung zu 3 / code für nummer 3
        二维码 3 / 二维码3 / 3号群的二维码 / 给我3号群的二维码 / ３ 二维码 / 邀请 3
    """,  # noqa: RUF001
    "code chess": """
        code chess / code "chess" / code for chess / Code für chess
        qr code for the chess group / invite people to chess
        my code for chess / qr-code von chess / 二维码 chess
    """,
    "codes chess": """
        codes chess / list the codes of chess / show me all codes for chess / codes von chess
        Zeig mir die Codes von chess
        所有二维码 chess
    """,
    "me": """
        me / my code / my qr code / My personal code please / add me / show me my code
        mein code / Mein QR-Code / Zeig mir meinen persönlicher code / 我的二维码 / 名片
    """,
    "who chess": """
        who chess / who is in chess? / Who's in chess / members of chess / show members chess
        who joined chess / who came to chess
        wer chess / Wer ist in chess? / Mitglieder von chess / wer kam in chess
        谁在 chess / 成员 chess
    """,
    "revoke abc123def4": """
        revoke abc123def4 / revoke code abc123def4 / end code abc123def4
        Please revoke abc123def4. / cancel code abc123def4
        widerrufen abc123def4 / Code löschen abc123def4 / 撤销 abc123def4
    """,
    "yes 12": """
        yes 12 / Yes 12! / yes to #12 / approve 12 / accept 12 / ja 12 / Ja, 12 / annehmen 12
        同意 12 / 通过12
    """,
    "no 12": "no 12 / reject 12 / decline #12 / nein 12 / ablehnen 12 / 拒绝 12",
    "yes": "yes / Yes! / yes please / ja / Ja bitte / 是",
    "no": "no / No. / nein / 否",
    "requests": """
        requests / who is waiting? / open requests / who waits / Anfragen / Wer wartet?
        offene Anfragen / 申请 / 待审核
    """,
    "approval chess on": """
        approval chess on / approval for chess on / Zustimmung chess an / 审核 chess 开
    """,
    "approval chess off": "approval chess off / approval chess OFF! / 审核 chess 关",
    "quiet": """
        quiet / Quiet! / be quiet please / mute / please stop telling me / no news
        Don't disturb me
        Ruhe! / Bitte sei still / keine Neuigkeiten / nicht stören
        安静 / 免打扰 / 请别打扰我
    """,
    "quiet off": "quiet off / Mute off / Ruhe off / 安静 off",
    "courtesy": "thanks! / Thank you very much / danke! / Vielen Dank / 谢谢",
    "console": """
        console / Console! / /console / dashboard / the console please / Konsole / 控制台
    """,
    "console end": "console end / /console end / Konsole end / 控制台 end",
    "series": "series / my series / Reihen / meine Reihen / 系列",
}  # fmt: skip

ASK = {
    "code 1": "cod 1 / coed 1 / qrcod 1",
    "help": "hlep / hepl / Hlfe",
    "groups": "grups / gropus / gruppn",
    "code chess": """
        I lost the link to chess / is there a qr code for chess? / chess code / chess的二维码
    """,
    "revoke abc123def4": "revoce abc123def4",
    "announce tea": "anounce tea",
}


def listed(table: dict[str, str]) -> list[Any]:
    return [
        pytest.param(said.strip(), meant, id=said.strip())
        for meant, lines in table.items()
        for line in lines.strip().splitlines()
        for said in line.split(" / ")
    ]


def as_said(found: Understood) -> str:
    """A command in its shortest form."""
    if found.word == "approval":
        group, on = group_and_switch(found.rest)
        return f"approval {about(group)} {'on' if on else 'off'}"
    if found.word in ("yes", "no"):
        asked = numbers(found.rest) or numbers(about(found.rest))
        return " ".join([found.word, *map(str, asked)])
    return f"{found.word} {about(found.rest)}".strip()


@pytest.mark.parametrize(("said", "meant"), listed(DO))
def test_people_need_not_know_the_commands(said: str, meant: str) -> None:
    (found,) = commands(said)
    assert as_said(found) == meant


@pytest.mark.parametrize(("said", "likeliest"), listed(ASK))
def test_what_is_not_clear_is_asked_about(said: str, likeliest: str) -> None:
    (found,) = commands(said)
    assert found.word == ""
    assert found.perhaps[0] == likeliest
    assert len(found.perhaps) <= 2


def test_there_are_two_hundred_phrasings() -> None:
    assert len(listed(DO)) + len(listed(ASK)) >= 200


DAY, HOUR = 86_400_000, 3_600_000


@pytest.mark.parametrize(
    ("rest", "wish"),
    [
        ("3 2 days", CodeWish("3", 2 * DAY)),
        ("3 20 people", CodeWish("3", None, 20)),
        ("3 for 20 people and a week", CodeWish("3", 7 * DAY, 20)),
        ("3 two days, 20 uses", CodeWish("3", 2 * DAY, 20)),
        ("chess for an hour", CodeWish("chess", HOUR)),
        ("chess valid for 12 hours", CodeWish("chess", 12 * HOUR)),
        ("chess max 5 people", CodeWish("chess", None, 5)),
        ("3 für 3 Tage", CodeWish("3", 3 * DAY)),
        ("3 für eine Woche und 20 Leute", CodeWish("3", 7 * DAY, 20)),
        ("3 30 Minuten", CodeWish("3", 30 * 60_000)),
        ("3 两天", CodeWish("3", 2 * DAY)),
        ("1两天20人", CodeWish("1", 2 * DAY, 20)),
        ("1 一周", CodeWish("1", 7 * DAY)),
        ("１ ２０人", CodeWish("１", None, 20)),  # noqa: RUF001
        ("7d 20 uses", CodeWish("", 7 * DAY, 20)),
        ("Class of 1990", CodeWish("Class of 1990")),
        ("20 something", CodeWish("20 something")),
        ("Team4d", CodeWish("Team4d")),
        ("Room 101", CodeWish("Room 101")),
    ],
)
def test_times_and_numbers_as_people_write_them(rest: str, wish: CodeWish) -> None:
    assert code_wish(rest) == wish


@pytest.mark.parametrize(
    ("rest", "first"),
    [
        ("1 Uncle Bob", ("1", "Uncle Bob")),
        ("#1 Bob", ("1", "Bob")),
        ("Tea on Sundays: Uncle Bob", ("Tea on Sundays", "Uncle Bob")),
        ("Tea on Sundays Uncle Bob", ("Tea on Sundays", "Uncle Bob")),
        ("“Tea on Sundays” Uncle Bob", ("Tea on Sundays", "Uncle Bob")),
        ("tea Bob", ("Tea", "Bob")),
        ("chess Bob", ("chess", "Bob")),
        ("Bob in Chess club", ("Chess club", "Bob")),
    ],
)
def test_a_name_follows_the_longest_name_of_a_group_that_fits(
    rest: str, first: tuple[str, str]
) -> None:
    assert splits(rest, ["Tea", "Tea on Sundays", "Chess club"])[0] == first


def test_pages_and_switches_are_said_in_each_language() -> None:
    assert group_and_page("chess page 2") == ("chess", 2)
    assert group_and_page("schach Seite 3") == ("schach", 3)
    assert group_and_switch("on") == ("", True)
    assert group_and_switch("chess") == ("chess", None)


def test_no_phrase_means_two_commands_and_none_is_too_long() -> None:
    of: dict[str, str] = {}
    for command in COMMANDS:
        for phrase in {command, *_all(command)}:
            assert of.setdefault(phrase, command) == command, phrase
            assert len(phrase) <= _LONGEST
    keys = own_texts("en")["phrases"].keys()
    assert all(own_texts(language)["phrases"].keys() == keys for language in LANGUAGES)


@given(st.text(max_size=2 * LONGEST) | st.text(string.ascii_letters + " #3*/", max_size=80))
def test_whatever_is_written_has_a_meaning_or_a_question(line: str) -> None:
    found = understood(line)
    assert (found.word in everywhere().commands.values()) != bool(found.perhaps)
    assert len(plain(line)) == len(line)


def test_who_has_one_group_need_not_name_it(server: Server) -> None:
    person = server.person()
    person.new_room(name="Tea")
    chat = Chat(person)
    _, text = chat.say("how do I invite people?", answers=2)
    assert text["body"].startswith("Join code for Tea, valid until")
    assert chat.ask("call me Uncle Bob") == ENGLISH.say("named", group="Tea", name="Uncle Bob")
    assert "created the group" in chat.ask("who is in?")

    person.new_room(name="Chess")
    which = ENGLISH.say("which_group")
    assert eventually(lambda: chat.ask("qr") == f"{which}\n1. Chess\n2. Tea")
    person.new_room(name="Tea on Sundays")
    several = ENGLISH.say("several_groups", said="te")
    assert chat.ask("who te") == f"{several}\n2. Tea\n3. Tea on Sundays"
    named = ENGLISH.say("named", group="Tea on Sundays", name="Bob")
    assert chat.ask("name Tea on Sundays: Bob") == named
    assert chat.ask("cod 1").startswith("I did not understand “cod 1”. Perhaps you mean “code 1”")


LANGUAGE = {
    "en": """
        how do I invite people? / hello / please, code 3 / code for chess / who is in chess / thanks
        tell me who joined / English / Englisch / be quiet, please / i do not understand this
    """,
    "de": """
        Hilfe / Wie kann ich Leute einladen? / Code für chess / Meine Gruppen / Danke / deutsch
        German / QR-Code für Gruppe 3 / Zeig mir die Codes von chess / bitte code 3
        Wo ist denn hier der Ausgang?
    """,
    "zh-Hans": """
        帮助 / 二维码 1 / 3号群的二维码 / 谢谢 / 中文 / Chinese / 今天天气很好 / 怎么邀请人？
    """,  # noqa: RUF001
    None: """
        help / code 3 / code / groups / code A group / code Hilfe für Kinder / name 3 Der Schreiner
        yes 3 / 3 code / code 茶 / code 3 7d / asdf / お茶をください / qwertz 12 / qr-code
        remark @a:b Der Bruder / announce tea Danke für alles / code
    """,
}


@pytest.mark.parametrize(
    ("line", "language"),
    [
        (" ".join(line.split()), language)
        for language, lines in LANGUAGE.items()
        for line in lines.replace("\n", " / ").split(" / ")
        if line.strip()
    ],
)
def test_the_language_of_a_line_is_that_of_its_phrases_and_not_of_names(
    line: str, language: str | None
) -> None:
    assert understood(line).language == language
