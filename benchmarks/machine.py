"""The machine that the figures are from."""

import os
import platform
from pathlib import Path

from synapse import __version__ as synapse_version

from benchmarks.engines import Engine


def describe(engine: Engine) -> dict[str, str]:
    """What is on it, by what it is."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{_memory():.0f} GB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": platform.python_version(),
        "Synapse": synapse_version.split()[0],  # Without the branch that it is installed in.
        "database": engine.version(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
