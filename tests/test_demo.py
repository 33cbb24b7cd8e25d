"""`capgroups demo`: the story goes as the rules say, and a story that does not is noticed."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from synapse_capgroups.demo.cluster import missing_for_workers
from synapse_capgroups.demo.person import Reply
from synapse_capgroups.demo.story import Step
from synapse_capgroups.rules.verdict import Reason

COMMAND = [sys.executable, "-m", "synapse_capgroups", "demo"]


def test_check_walks_the_story_and_exits_with_0() -> None:
    done = subprocess.run(
        [*COMMAND, "--check"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every step went as the rules say." in done.stdout
    for reason in (
        "invite_required", "friends_only", "full", "not_listed", "no_public_rooms",
        "already_in_series",
    ):  # fmt: skip
        assert f"403 {reason} " in done.stdout


def test_the_same_story_over_workers() -> None:
    if missing := missing_for_workers():
        pytest.skip(missing)
    done = subprocess.run(
        [*COMMAND, "--check", "--workers", "2"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(2 workers)" in done.stdout
    assert "Every step went as the rules say." in done.stdout


def test_without_check_it_stays_up_with_passwords_that_work_and_cleans_up_after_itself(
    tmp_path: Path,
) -> None:
    process = subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        shown = ""
        for line in process.stdout:
            shown += line
            if "Ctrl+C" in line:
                break
        url = re.search(r"http://127\.0\.0\.1:\d+", shown)
        account = re.search(r"(@alice:\S+) +password (\S+)", shown)
        assert url
        assert account
        login = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": account[1]},
            "password": account[2],
        }
        reply = httpx.post(f"{url[0]}/_matrix/client/v3/login", json=login)
        assert reply.status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url[0]}/health")
        assert list(tmp_path.iterdir()) == []
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("limits", [["--cap", "5"], ["--code-limit", "3"], ["--cap", "x"]])
def test_limits_that_the_story_cannot_be_told_with_are_refused(limits: list[str]) -> None:
    done = subprocess.run(
        [*COMMAND, "--check", *limits], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--code-limit" in done.stderr or "invalid int" in done.stderr


def test_a_step_that_does_not_go_as_the_rules_say_is_noticed() -> None:
    full = Reply(403, {"org.capgroups.reason": "full", "org.capgroups.limit": 6})
    ok = Reply(200, {})
    refusal = Step("A", "tries", 4, lambda: full, Reason.FULL, 6)
    assert refusal.went_well(full)
    assert not refusal.went_well(ok)
    assert not refusal.went_well(Reply(403, {"org.capgroups.reason": "full"}))
    assert not refusal.went_well(Reply(500, full.body))
    allowed = Step("A", "tries", 4, lambda: ok)
    assert allowed.went_well(ok)
    assert not allowed.went_well(full)
