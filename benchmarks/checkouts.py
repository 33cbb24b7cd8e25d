"""Whose module a server runs: that of this checkout, or beside it that of another one."""

import subprocess
from pathlib import Path

import attrs

HERE = Path(__file__).parent.parent
PACKAGE = "synapse_capgroups"


@attrs.frozen
class Checkout:
    """A folder with the module's package in it.

    Attributes:
        subject: what a server has that runs this module.
    """

    path: Path
    subject: str

    def commit(self) -> str:
        """The last commit that changed the module, and whether anything in it is not committed."""

        def git(*arguments: str) -> str:
            command = ["git", "-C", str(self.path), *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

        try:
            commit = git("log", "-1", "--format=%h (%s)", "--", PACKAGE).strip()
            return commit + (", with changes" if git("status", "--porcelain", PACKAGE) else "")
        except (OSError, subprocess.CalledProcessError):
            return "no commit"


THIS = Checkout(HERE, "this module")


def beside(path: Path) -> Checkout:
    """Another checkout, whose module is measured beside this one's.

    Raises:
        NotADirectoryError: there is no module.
    """
    package = path.resolve() / PACKAGE
    if not package.is_dir():
        raise NotADirectoryError(f"{package} is no folder")
    return Checkout(package.parent, "the other module")
