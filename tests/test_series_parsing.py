"""What people write to the concierge about series."""

import pytest

from synapse_capgroups.concierge.series_parsing import (
    LiveCodeWish,
    StartWish,
    deed_and_rest,
    live_code_wish,
    person,
    start_wish,
)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ('tea "Tea {n}"', StartWish("tea", "Tea {n}")),
        ("tea Tea {n}", StartWish("tea", "Tea {n}")),
        ("tea \u201cTea {n}\u201d from 2", StartWish("tea", "Tea {n}", "2")),
        (
            "tea \u201eTee {n}\u201c from Old tea fill 50",
            StartWish("tea", "Tee {n}", "Old tea", 50),
        ),
        ('tea "Tea {n}" fill 50 max 10', StartWish("tea", "Tea {n}", "", 50, 10)),
        ('tea "Tea {n}" from tea max 3 fill 5', StartWish("tea", "Tea {n}", "tea", 5, 3)),
        ("tea Tea {n} from fill max 7", StartWish("tea", "Tea {n}", "fill", None, 7)),
        ('tea "from {n} fill 5" from 1', StartWish("tea", "from {n} fill 5", "1")),
        ('  tea   "Tea {n}"  ', StartWish("tea", "Tea {n}")),
        ("tea", StartWish("tea", "")),
        ("", StartWish("", "")),
        ('tea "Tea {n}" fill many', StartWish("tea", "Tea {n}")),
    ],
)
def test_how_a_series_is_to_be_started(said: str, meant: StartWish) -> None:
    assert start_wish(said) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("", LiveCodeWish()),
        ("7d", LiveCodeWish(7 * 86_400_000)),
        ("2d 20 uses", LiveCodeWish(2 * 86_400_000, 20)),
        ("20 uses label at the station", LiveCodeWish(None, 20, "at the station")),
        ('label "at 7d 5 uses"', LiveCodeWish(None, None, "at 7d 5 uses")),
        ("LABEL x", LiveCodeWish(None, None, "x")),
        ("quickly", None),
        ("label", None),
    ],
)
def test_what_a_live_code_is_to_be_like(said: str, meant: LiveCodeWish | None) -> None:
    assert live_code_wish(said) == meant


def test_a_deed_stands_before_a_series() -> None:
    deeds = frozenset(("pause", "fill"))
    assert deed_and_rest("pause tea", deeds) == ("pause", "tea")
    assert deed_and_rest(" FILL  tea 50 ", deeds) == ("fill", "tea 50")
    assert deed_and_rest("pause", deeds) == ("", "pause")
    assert deed_and_rest("tea", deeds) == ("", "tea")


def test_people_of_this_server_need_no_server_name() -> None:
    assert person(" @bob:a.org ", "b.org") == "@bob:a.org"
    assert person("@bob", "b.org") == "@bob:b.org"
    assert person("bob", "b.org") == "@bob:b.org"
