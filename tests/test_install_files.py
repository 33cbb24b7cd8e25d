"""The files for containers, playbooks, charts and packages, as far as they can be tried here."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from synapse_capgroups.config import Config

FILES = Path(__file__).parent.parent / "docs" / "install"


def modules_of_ess() -> Any:
    values = yaml.safe_load((FILES / "ess-values.yaml").read_text())
    return yaml.safe_load(values["synapse"]["additional"]["capgroups.yaml"]["config"])["modules"]


def modules_of_playbook() -> Any:
    return yaml.safe_load((FILES / "mdad-vars.yml").read_text())["matrix_synapse_modules"]


@pytest.mark.parametrize("modules", [modules_of_ess, modules_of_playbook])
def test_the_module_is_loaded_with_a_configuration_that_it_takes(modules: Any) -> None:
    (entry,) = modules()
    assert entry["module"] == "synapse_capgroups.CapGroups"
    assert Config.from_yaml(entry["config"]) == Config()


def unit_command() -> str:
    unit = (FILES / "synapse-capgroups.service").read_text()
    found = re.search(r"^ExecStart=/bin/sh -c '(.*)'$", unit, re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("there", [True, False])
def test_the_unit_installs_the_module_only_where_it_is_missing(tmp_path: Path, there: bool) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").write_text(f"#!/bin/sh\nexit {0 if there else 1}\n")
    (programs / "pip").write_text('#!/bin/sh\necho "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    environment = {"VENV": str(tmp_path), "WHEELS": "/var/lib/synapse-capgroups", "PATH": "/bin"}
    shell = ["/bin/sh", "-c", unit_command()]
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, check=True)
    installed = "install --no-index --find-links /var/lib/synapse-capgroups synapse-capgroups\n"
    assert done.stdout == ("" if there else installed)


def test_the_image_checks_that_the_module_is_in_it() -> None:
    lines = (FILES / "Containerfile").read_text()
    assert re.search(r"^FROM docker\.io/matrixdotorg/synapse:\$\{SYNAPSE_TAG\}$", lines, re.M)
    assert 'python -c "import synapse_capgroups"' in lines
