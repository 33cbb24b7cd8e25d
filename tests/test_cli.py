"""The commands: each says what it does on one screen, with an example."""

import builtins
import io
import shutil
import subprocess
import sys
from typing import Any

import pytest

from synapse_capgroups import cli
from synapse_capgroups.client import terminal

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


class Screen(io.StringIO):
    """Standard error as a terminal, or as a file."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_a_terminal_shows_a_bar_that_fits_and_a_log_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = {}
    for is_terminal in (True, False):
        screen = shown[is_terminal] = Screen(is_terminal=is_terminal)
        monkeypatch.setattr(sys, "stderr", screen)
        with terminal.Progress(200, "rooms") as progress:
            for done in (0, 100, 200):
                progress.show(done)
        if is_terminal and columns > 40:
            first, half, whole = screen.getvalue().rstrip("\n").split("\r")[1:]
            assert first.endswith(".] 0 of 200 rooms")
            assert half.count("#") == half.count(".") > 0
            assert whole.endswith("#] 200 of 200 rooms")
            assert max(map(len, (first, half, whole))) <= columns
            assert screen.getvalue().endswith("\n")
        else:
            assert screen.getvalue() == ""  # It took no five seconds.


def test_a_shell_completes_the_commands() -> None:
    command = [sys.executable, "-m", "synapse_capgroups", "--print-completion", "bash"]
    script = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(command.name in script for command in cli.COMMANDS)
    bash = shutil.which("bash")
    assert bash is not None
    subprocess.run([bash, "-n"], input=script, text=True, check=True)
