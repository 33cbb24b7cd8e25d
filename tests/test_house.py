"""The shape of the code: a room for each word, and imports that only go down."""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "synapse_capgroups"
FILES = sorted(PACKAGE.rglob("*.py"))


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                yield f"{file.relative_to(PACKAGE)}: {node.name}", node


def test_imports_go_down_and_never_in_circles() -> None:
    # In a process of its own: the linter trips over the classes of Twisted that other tests import.
    lint = (
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    )
    linted = subprocess.run(
        [sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_no_class_has_more_than_250_lines() -> None:
    long = [name for name, node in classes() if (node.end_lineno or 0) - node.lineno >= 250]
    assert long == []


def needed(method: ast.FunctionDef) -> int:
    """How many arguments a class cannot be made without; one with a default is a setting."""
    arguments = method.args
    positional = len(arguments.args) - 1 - len(arguments.defaults)
    return positional + sum(default is None for default in arguments.kw_defaults)


def test_no_class_needs_more_than_five_collaborators() -> None:
    """A value of attrs may have as many fields as there are facts."""
    many = [
        name
        for name, node in classes()
        for method in node.body
        if isinstance(method, ast.FunctionDef) and method.name == "__init__" and needed(method) > 5
    ]
    assert many == []


def test_no_two_modules_have_one_name_except_a_nouns_storage_and_rules() -> None:
    """And what puts the parts of a package together, which has the same name in each."""
    places = defaultdict(list)
    for file in FILES:
        room = file.relative_to(PACKAGE).parts[0]
        alike = file.name.startswith("__") or file.name == "assembly.py"
        if not alike and room not in ("storage", "rules"):
            places[file.name].append(str(file.relative_to(PACKAGE)))
    assert [found for found in places.values() if len(found) > 1] == []


def test_the_wiring_is_read_in_two_minutes() -> None:
    assert len((PACKAGE / "module.py").read_text().splitlines()) <= 160


def test_each_file_says_in_its_first_line_what_it_is_about() -> None:
    silent = [str(file) for file in FILES if not ast.get_docstring(ast.parse(file.read_text()))]
    assert silent == []
