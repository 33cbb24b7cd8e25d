"""The start-up probe: a Synapse without what the module is built on does not start with it."""

import importlib
import inspect
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from typing import Any

import pytest
from synapse.module_api.errors import ConfigError

from synapse_capgroups import __version__
from synapse_capgroups.demo.homeserver import StartError
from synapse_capgroups.inside import probe
from synapse_capgroups.inside.probe import BATCH_REQUIREMENTS, Requirement
from tests.conftest import Starter

REQUIREMENTS = (*probe.REQUIREMENTS, *BATCH_REQUIREMENTS)
WRAPPED = [row for row in REQUIREMENTS if row.replaced]


def owner(row: Requirement) -> Any:
    module, _, name = row.owner.partition(":")
    return getattr(importlib.import_module(module), name)


def test_this_synapse_has_everything() -> None:
    assert [probe.problem(row) for row in REQUIREMENTS] == [None] * len(REQUIREMENTS)


@pytest.mark.parametrize("row", REQUIREMENTS, ids=lambda row: row.called)
def test_what_was_renamed_is_missing(row: Requirement) -> None:
    original = vars(owner(row))[row.name]  # `monkeypatch` would ask a cache for its method.
    delattr(owner(row), row.name)
    try:
        assert probe.problem(row) == f"{row.called} is missing"
    finally:
        setattr(owner(row), row.name, original)


@pytest.mark.parametrize(
    "row", [row for row in REQUIREMENTS if row.parameters], ids=lambda row: row.called
)
def test_what_takes_other_parameters_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, row: Requirement
) -> None:
    async def other(self: object, something: object) -> None:
        """Takes something else."""

    monkeypatch.setattr(owner(row), row.name, other)
    wanted = ", ".join(row.parameters)
    assert probe.problem(row) == f"{row.called} takes (something) and not ({wanted}, …)"


@pytest.mark.parametrize(
    "row", [row for row in REQUIREMENTS if row.named], ids=lambda row: row.called
)
def test_what_lost_a_parameter_that_is_passed_by_name_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, row: Requirement
) -> None:
    namespace: dict[str, Any] = {}
    exec(f"async def other(self, {', '.join(row.parameters)}): pass", namespace)
    monkeypatch.setattr(owner(row), row.name, namespace["other"])
    assert probe.problem(row) == f"{row.called} does not take {', '.join(row.named)}"


@pytest.mark.parametrize("row", WRAPPED, ids=lambda row: row.called)
@pytest.mark.parametrize("other", [methodcaller("anything"), dict.get])
def test_what_is_not_python_cannot_be_replaced(
    monkeypatch: pytest.MonkeyPatch, row: Requirement, other: Callable[..., Any]
) -> None:
    monkeypatch.setattr(owner(row), row.name, other)
    assert probe.problem(row) == f"{row.called} is not written in Python and cannot be replaced"


@pytest.mark.parametrize(
    "row", [row for row in WRAPPED if row.coroutine], ids=lambda row: row.called
)
def test_what_is_not_a_coroutine_cannot_be_awaited(
    monkeypatch: pytest.MonkeyPatch, row: Requirement
) -> None:
    monkeypatch.setattr(owner(row), row.name, lambda self: None)
    assert probe.problem(row) == f"{row.called} is not a coroutine"


@pytest.mark.parametrize("row", WRAPPED, ids=lambda row: row.called)
def test_an_object_of_rust_cannot_have_a_method_replaced(row: Requirement) -> None:
    text = f"{row.called} belongs to an object whose methods cannot be replaced"
    assert probe.replaceable(object(), row) == text


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        ("1.170.0", "Upgrade synapse-capgroups"),
        ("1.170.0rc1", "use Synapse 1.163."),
        ("1.120.2", "Upgrade Synapse to 1.143 or later."),
        ("1.163.2", "another module may have changed Synapse"),
        ("2.0.0", "Upgrade synapse-capgroups"),
        ("unknown", "another module may have changed Synapse"),
    ],
)
def test_the_sentence_says_which_versions_fit(
    monkeypatch: pytest.MonkeyPatch, version: str, advice: str
) -> None:
    monkeypatch.setattr(probe, "SYNAPSE_VERSION", version)
    error = probe.unsuitable(["X.y is missing"])
    assert isinstance(error, ConfigError)
    for part in (__version__, version, "X.y is missing", "Synapse 1.143 to 1.163", advice):
        assert part in str(error)


def test_the_table_has_every_method_that_is_replaced() -> None:
    """By the source, so that nobody adds a wrap and forgets its row."""
    folder = Path(inspect.getfile(probe)).parent
    source = "\n".join(file.read_text() for file in sorted(folder.glob("*.py")))
    names = {row.name for row in WRAPPED}
    assigned = {
        line.split(" = ")[0].strip().rpartition(".")[2]
        for line in source.splitlines()
        if "type: ignore[method-assign" in line
    }
    watched = {
        line.split('"')[1]
        for line in source.splitlines()
        if line.strip().startswith("watch_ending(")
    }
    # A loop replaces these three.
    watched |= {"set_user_suspended_status", "set_user_locked_status", "set_shadow_banned"}
    assert assigned | watched == names


BREAKERS = {
    "a method is gone": (
        "from synapse.handlers.room_member import RoomMemberHandler as H\n"
        "del H.update_membership_locked\n",
        "RoomMemberHandler.update_membership_locked is missing",
    ),
    "a name that is imported is gone": (
        "import synapse.storage.engines as engines\n"
        "del engines.PostgresEngine\n",
        "cannot import name 'PostgresEngine'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BREAKERS)
def test_a_synapse_that_lacks_something_stops_at_start_with_the_sentence(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    breaks, text = BREAKERS[case]
    nothing = "class Breaker:\n    def __init__(self, config, api): pass\n"
    (tmp_path / "breaker.py").write_text(breaks + nothing)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    modules = [{"module": "breaker.Breaker"}, {"module": "synapse_capgroups.CapGroups"}]
    with pytest.raises(StartError) as caught:
        start(module=None, settings={"modules": modules})
    assert text in caught.value.output
    assert f"synapse-capgroups {__version__} cannot work with this Synapse" in caught.value.output


def test_a_module_that_is_configured_twice_stops_the_start(start: Starter) -> None:
    modules = [{"module": "synapse_capgroups.CapGroups"}] * 2
    with pytest.raises(StartError) as caught:
        start(module=None, settings={"modules": modules})
    assert "names synapse_capgroups.CapGroups twice" in caught.value.output
