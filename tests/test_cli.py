"""The commands: each says what it does on one screen, with an example."""

import builtins
import shutil
import subprocess
import sys
from typing import Any

import pytest

from synapse_capgroups import cli

LINES, COLUMNS = 40, 80


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.name)
def test_the_help_of_each_command_fits_a_screen_and_has_an_example(
    command: cli.Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    with pytest.raises(SystemExit) as end:
        cli.main([command.name, "--help"])
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    assert any(line.startswith(f"example: capgroups {command.name}") for line in lines)


def test_the_list_of_commands_has_each_with_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for command in cli.COMMANDS:
        assert f"{command.name} {command.summary}" in shown


@pytest.mark.parametrize("arguments", [[], ["dance"], ["check"], ["check", "-c", "x", "-o", "pdf"]])
def test_a_command_that_is_none_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2


def test_where_synapse_is_not_installed_the_command_says_where_to_run_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without_synapse(name: str, *rest: Any, **more: Any) -> Any:
        if name == "synapse_capgroups.admin.check":
            raise ModuleNotFoundError("No module named 'synapse'", name="synapse")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_synapse)
    assert cli.main(["check", "-c", "homeserver.yaml"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "capgroups check: synapse is not installed here. Run this in Synapse's own environment, "
        "where the module is or would be installed.\n"
    )


def test_a_shell_completes_the_commands() -> None:
    command = [sys.executable, "-m", "synapse_capgroups", "--print-completion", "bash"]
    script = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(command.name in script for command in cli.COMMANDS)
    bash = shutil.which("bash")
    assert bash is not None
    subprocess.run([bash, "-n"], input=script, text=True, check=True)
