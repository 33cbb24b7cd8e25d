"""Group chats for Synapse that keep themselves small.

The only name an administrator needs is `CapGroups`, the class that `modules:` in homeserver.yaml
points at. It is imported on demand, so that the configuration, the rules and the console script
work without Synapse being importable.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synapse_capgroups.module import CapGroups

__all__ = ["CapGroups", "__version__"]

__version__ = version("synapse-capgroups")


def __getattr__(name: str) -> Any:
    if name == "CapGroups":
        try:
            from synapse_capgroups.module import CapGroups
        except ImportError as e:
            if e.name is None or not e.name.startswith("synapse."):
                raise
            # A name that `inside/` imports is gone: the server ends with a sentence.
            from synapse_capgroups.inside.probe import unsuitable

            raise unsuitable([str(e)]) from e
        return CapGroups
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
