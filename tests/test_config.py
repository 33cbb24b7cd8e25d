"""The configuration: defaults, the sample, and a clear message for each mistake."""

from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

from synapse_capgroups.config import Config, ConfigurationError
from synapse_capgroups.demo.homeserver import StartError
from tests.conftest import Starter

SAMPLE = Path(__file__).parent.parent / "homeserver.sample.yaml"


def sample() -> dict[str, Any]:
    (module,) = yaml.safe_load(SAMPLE.read_text())["modules"]
    config: dict[str, Any] = module["config"]
    return config


def test_the_samples_values_are_the_defaults() -> None:
    assert Config.from_yaml(sample()) == Config()


def test_the_sample_shows_every_key() -> None:
    def keys(value: dict[str, Any]) -> dict[str, Any]:
        return {k: keys(v) if isinstance(v, dict) else None for k, v in value.items()}

    assert keys(sample()) == keys(attrs.asdict(Config()))


def test_every_key_is_optional() -> None:
    assert Config.from_yaml({}) == Config()
    assert Config.from_yaml(None) == Config()
    for key in sample():
        rest = {k: v for k, v in sample().items() if k != key}
        assert Config.from_yaml(rest) == Config()
    empty_sections = {k: None for k, v in sample().items() if isinstance(v, dict)}
    assert Config.from_yaml(empty_sections) == Config()


def paths(value: dict[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, inner in value.items():
        found.append((*prefix, key))
        if isinstance(inner, dict):
            found.extend(paths(inner, (*prefix, key)))
    return found


WRONG: list[object] = [
    object(), -5, 1.5, "", "nonsense!", ["("], {"no": "section"}, [[]], 10**30,
]  # fmt: skip


@pytest.mark.parametrize("path", paths(sample()), ids=".".join)
def test_every_key_refuses_every_wrong_type_and_names_its_full_path(path: tuple[str, ...]) -> None:
    for wrong in WRONG:
        raw = wrong
        for key in reversed(path):
            raw = {key: raw}
        with pytest.raises(ConfigurationError) as caught:
            Config.from_yaml(raw)
        assert caught.value.path.startswith(".".join(path))
        assert "found" in str(caught.value)
        assert "accepted" in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"cap": 1}, "cap: found 1 (a number); accepted: a whole number, 2 or more"),
        ({"cap": True}, "cap: found True (true or false); accepted: a whole number, 2 or more"),
        ({"cap": "500"}, "cap: found '500' (a string); accepted: a whole number, 2 or more"),
        ({"code_limit": 501}, "code_limit: found 501 (a number); accepted: at most the cap, which is 500"),
        ({"cap": 50}, "code_limit: found 100 (a number); accepted: at most the cap, which is 50"),
        ({"code_limit": 1}, "code_limit: found 1 (a number); accepted: a whole number, 2 or more"),
        ({"enforce": "yes"}, "enforce: found 'yes' (a string); accepted: true, false"),
        ({"freinds": {}}, "freinds: found {} (a section); accepted: did you mean friends? known keys: cap"),
        ({"friends": {"min_aeg": 5}}, "did you mean friends.min_age?"),
        ({"friends": {"min_age": "soon"}}, "friends.min_age: found 'soon' (a string); accepted: a duration such as 30s"),
        ({"friends": {"min_age": True}}, "friends.min_age: found True"),
        ({"friends": {"max_vouches_per_day": 0}}, "accepted: null (no limit) or a whole number, 1 or more"),
        ({"friends": "many"}, "friends: found 'many' (a string); accepted: a section"),
        ({"codes": {"lifetime": "31d"}}, "codes.lifetime: found 2678400000 (a number); accepted: at most codes.max_lifetime"),
        ({"codes": {"lifetime": 0}}, "more than nothing"),
        ({"names": {"on_arrival": "anything"}}, "accepted: one of profile, pseudonym"),
        ({"concierge": "Groups!"}, "concierge: found 'Groups!'"),
        ({"exempt": {"creators": ["("]}}, "exempt.creators[0]: found '('"),
        ({"exempt": {"creators": "@a:b"}}, "exempt.creators: found '@a:b' (a string); accepted: a list"),
        ({"exempt": {"rooms": ["#a"]}}, "exempt.rooms[0]: found '#a' (a string); accepted: a room ID, which starts with '!', or an address"),
        ({"join_page": {"accounts": "javascript:alert(1)"}}, "join_page.accounts: found 'javascript:alert(1)' (a string); accepted: auto, none, or an address"),
        ({"join_page": {"apps": [{"platform": "palm"}]}}, "join_page.apps[0].platform: found 'palm' (a string); accepted: one of ios, android, desktop"),
        ({"join_page": {"apps": [{"platform": "ios", "name": "Tea"}]}}, "join_page.apps[0].url: found None (nothing)"),
        ({"join_page": {"apps": [{"platform": "ios", "name": "Tea", "url": "itms:x"}]}}, "accepted: an address that starts with https:// or http://"),
        ({"exempt": {"spaces": "yes"}}, "exempt.spaces: found 'yes' (a string); accepted: true, false"),
        ({"series": {"max_groups": 1001}}, "series.max_groups: found 1001 (a number); accepted: a whole number, 1 or more, up to 1000"),
        ({"series": {"assign": "force"}}, "accepted: one of invite, join"),
        ([], "config: found [] (a list); accepted: a section"),
        ({5: 6}, "5: found 6"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_what_was_found_and_what_is_accepted(
    raw: object, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.from_yaml(raw)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [("0s", 0), ("30s", 30_000), ("15m", 900_000), ("12h", 43_200_000), ("2w", 1_209_600_000),
     (250, 250)],
)  # fmt: skip
def test_durations(value: object, milliseconds: int) -> None:
    assert Config.from_yaml({"friends": {"min_age": value}}).friends.min_age == milliseconds


def test_a_mistake_stops_the_server_at_start_with_the_message(start: Starter) -> None:
    with pytest.raises(StartError) as caught:
        start(module={"friends": {"min_age": "soon"}})
    assert "friends.min_age: found 'soon' (a string); accepted: a duration" in caught.value.output
    assert "Traceback" not in caught.value.output
