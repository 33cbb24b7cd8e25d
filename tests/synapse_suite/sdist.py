"""Fetches Synapse's own tests, which only its source distribution has."""

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path, PurePosixPath

BUILD_BACKEND = """
from pathlib import Path


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    made = Path(metadata_directory) / "matrix_synapse-{version}.dist-info"
    made.mkdir()
    (made / "METADATA").write_text(Path("PKG-INFO").read_text())
    return made.name
"""
"""Tells pip what it asks of a source distribution before it keeps it.

`pip download` has each distribution's metadata built. Synapse's own backend, maturin, needs the
Rust compiler for that, although the answer lies in the distribution as `PKG-INFO`.
"""


def fetch(cache: Path) -> Path:
    """The folder that holds Synapse's package `tests`, of the version that is installed here.

    Args:
        cache: where it is kept, and found again.
    """
    installed = version("matrix-synapse")
    suite = cache / f"synapse-{installed}-tests"
    if suite.is_dir():
        return suite
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        archive = _download(installed, Path(work))
        unpacked = Path(work) / "unpacked"
        _unpack_tests(archive, unpacked)
        unpacked.rename(suite)
    return suite


def _download(installed: str, work: Path) -> Path:
    backend = work / "backend"
    backend.mkdir()
    (backend / "maturin.py").write_text(BUILD_BACKEND.replace("{version}", installed))
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation",
        "--no-binary", "matrix-synapse", "--dest", str(work), f"matrix-synapse=={installed}",
    ]  # fmt: skip
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(backend)})
    [archive] = work.glob("*.tar.gz")
    return archive


def _unpack_tests(archive: Path, into: Path) -> None:
    """Without the source beside it, which would be imported and has nothing compiled in it."""
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            if parts[1:2] == ("tests",) and ".." not in parts and member.isfile():
                member.name = str(PurePosixPath(*parts[1:]))
                tar.extract(member, into)
