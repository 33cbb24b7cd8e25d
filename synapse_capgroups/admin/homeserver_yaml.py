"""Reads homeserver.yaml as Synapse's own scripts do, and starts nothing of it.

Synapse's parser makes the media folder where there is none, reads the signing key and imports all
modules. So it is given a configuration without a media repository and without modules, and with a
key that is nobody's.
"""

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import yaml
from synapse.config._base import ConfigError, find_config_files, read_config_files
from synapse.config.homeserver import HomeServerConfig

from synapse_capgroups.admin.exits import CannotRunError
from synapse_capgroups.config import Config, ConfigurationError

MODULE = "synapse_capgroups.CapGroups"
_NO_KEY = "ed25519 a_none AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@attrs.frozen
class ServerConfig:
    """A homeserver's configuration.

    Attributes:
        raw: what stands in the files.
        parsed: the same by Synapse's parser.
        module: this module's part; its defaults where it is not configured yet.
        modules: the names of all modules in their order.
    """

    raw: Mapping[str, Any]
    parsed: HomeServerConfig
    module: Config
    modules: tuple[str, ...]

    @property
    def server_name(self) -> str:
        return str(self.parsed.server.server_name)

    @property
    def is_configured(self) -> bool:
        """Whether this module is among the modules."""
        return MODULE in self.modules


def read(paths: Sequence[str]) -> ServerConfig:
    """Read files, or folders of them; a later one replaces whole keys of an earlier one.

    Raises:
        CannotRunError: a file is missing, or Synapse or this module would not start with it.
    """
    for path in paths:
        if not _may_be_there(path):
            raise CannotRunError(f"There is no file {path}. Name the homeserver.yaml with -c.")
    # Synapse warns of options that have nothing to do with this.
    logging.getLogger("synapse.config").setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            files = find_config_files(list(paths))
            raw = read_config_files(files)
            parsed = HomeServerConfig(files)
            folder = Path(files[-1]).absolute().parent
            parsed.parse_config_dict(_without_side_effects(raw), str(folder), str(folder))
    except OSError as e:
        what = f"{e.filename}: {e.strerror}" if e.filename else f"what Synapse needs: {e}"
        raise CannotRunError(f"Cannot read {what}. Run this as the user that runs Synapse.") from e
    except yaml.YAMLError as e:
        raise CannotRunError(f"{', '.join(paths)} is no YAML: {e}") from e
    except ConfigError as e:
        where = ".".join(e.path or ())
        raise CannotRunError(
            f"Synapse cannot use {', '.join(paths)}: {where and f'{where}: '}{e.msg.strip()}"
        ) from e
    except (TypeError, ValueError, AttributeError, KeyError) as e:
        raise CannotRunError(f"Synapse cannot use {', '.join(paths)}: {e}") from e
    modules = [entry for entry in raw.get("modules") or () if isinstance(entry, Mapping)]
    return ServerConfig(
        raw=raw,
        parsed=parsed,
        module=_own(modules),
        modules=tuple(str(entry.get("module")) for entry in modules),
    )


def _may_be_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except PermissionError:  # Of its folder: what reads it says so.
        return True


def _without_side_effects(raw: Mapping[str, Any]) -> dict[str, Any]:
    others = {key: value for key, value in raw.items() if key != "signing_key_path"}
    return {**others, "signing_key": _NO_KEY, "enable_media_repo": False, "modules": []}


def _own(modules: Sequence[Mapping[str, Any]]) -> Config:
    """This module's configuration."""
    own = [entry.get("config") for entry in modules if entry.get("module") == MODULE]
    try:
        return Config.from_yaml(own[0]) if own else Config()
    except ConfigurationError as e:
        raise CannotRunError(f"The module's configuration has a mistake. {e}") from e
