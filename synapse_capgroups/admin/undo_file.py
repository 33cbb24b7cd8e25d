"""The undo file: a plan, how far it was carried out, and what leads back.

Lines of canonical JSON. The first names the server and the plan's hash, then comes a line for each
room with its steps, and after them what was begun and what became of it. Each has a checksum over
itself and the line before, so that what was edited is noticed. It keeps mistakes out, no forgers:
whoever may write here is an admin.

The steps are on the disk before the first room is changed, and that a room is begun is there before
it is. So a command that was killed goes on, in either direction.
"""

import fcntl
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

from canonicaljson import encode_canonical_json

from synapse_capgroups.admin.exits import CannotRunError

_VERSION = 1

Json = dict[str, Any]


class UndoFile:
    """An undo file that is open, and that no other command uses meanwhile."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file
        self._last = ""
        self.server_name = self.plan_hash = ""
        self.rooms: dict[str, Json] = {}
        """The lines of the rooms, by their IDs, in the order of the plan."""
        self.ends: dict[str, Json] = {}
        """The last line about each room that was begun."""
        self.is_undone = False
        """Whether somebody has begun to take the plan back."""

    @classmethod
    def create(
        cls, path: Path, server_name: str, plan_hash: str, rooms: Collection[Json]
    ) -> "UndoFile":
        """Write a plan's file and open it.

        Raises:
            CannotRunError: it cannot be written.
        """
        try:
            with tempfile.NamedTemporaryFile(dir=path.absolute().parent, delete=False) as new:
                try:
                    head = {
                        "kind": "plan",
                        "version": _VERSION,
                        "server": server_name,
                        "hash": plan_hash,
                        "rooms": len(rooms),
                    }
                    last = ""
                    for line in itertools.chain([head], rooms):
                        text, last = _line({"kind": "room", **line}, last)
                        new.write(text)
                    new.flush()
                    os.fsync(new.fileno())
                    os.link(new.name, path)
                finally:
                    os.unlink(new.name)
            folder = os.open(path.absolute().parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        except OSError as e:
            raise CannotRunError(f"Cannot write the undo file {path}: {e.strerror}.") from e
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> "UndoFile":
        """Open a file and read it.

        Raises:
            CannotRunError: it cannot be read, was edited, or another command is using it.
        """
        try:
            file = path.open("r+b")
        except OSError as e:
            raise CannotRunError(f"Cannot open the undo file {path}: {e.strerror}.") from e
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise CannotRunError(f"Another command is using the undo file {path}.") from None
        opened = cls(path, file)
        try:
            opened._read()
        except CannotRunError:
            file.close()
            raise
        return opened

    def close(self) -> None:
        self._file.close()

    def note(self, kind: str, room_id: str, **facts: Any) -> None:
        """Add a line, and wait until it is on the disk."""
        line = {"kind": kind, "room_id": room_id, **facts}
        text, self._last = _line(line, self._last)
        try:
            self._file.write(text)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as e:
            raise CannotRunError(f"Cannot write the undo file {self._path}: {e.strerror}.") from e
        self._heard(line)

    def _read(self) -> None:
        content = self._file.read()
        *lines, torn = content.split(b"\n")
        head = self._checked(lines[0]) if lines else {}
        if head.get("kind") != "plan":
            raise CannotRunError(f"{self._path} is no undo file of capgroups adopt.")
        if head.get("version") != _VERSION:
            raise CannotRunError(f"{self._path} is of another version of this module.")
        self.server_name, self.plan_hash = str(head["server"]), str(head["hash"])
        for line in lines[1:]:
            fields = self._checked(line)
            if fields["kind"] == "room":
                self.rooms[fields["room_id"]] = fields
            else:
                self._heard(fields)
        if len(self.rooms) != head["rooms"]:
            raise self._edited()
        if torn:
            self._mend(torn, len(content))

    def _mend(self, torn: bytes, size: int) -> None:
        """Go on after a last line that was not written to its end.

        A process was killed meanwhile, or the power failed. If only the line's end is missing, an
        editor took it, and the line counts.
        """
        try:
            self._heard(self._checked(torn))
            self._file.write(b"\n")
        except CannotRunError:
            self._file.truncate(size - len(torn))
            self._file.seek(size - len(torn))

    def _checked(self, line: bytes) -> Json:
        try:
            fields = json.loads(line)
            checksum = fields.pop("checksum")
            text, last = _line(fields, self._last)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self._edited() from None
        if checksum != last or text != line + b"\n":
            raise self._edited()
        self._last = last
        found: Json = fields
        return found

    def _edited(self) -> CannotRunError:
        return CannotRunError(
            f"{self._path} is not as it was written: a line was edited, moved or removed, or it is "
            "no undo file. Nothing was done. Use an unchanged copy of it."
        )

    def _heard(self, line: Json) -> None:
        self.ends[line["room_id"]] = line
        self.is_undone = self.is_undone or line["kind"] in ("undone", "kept")


def _line(fields: Json, before: str) -> tuple[bytes, str]:
    """A line with its checksum, and that checksum."""
    checksum = hashlib.sha256(before.encode() + encode_canonical_json(fields)).hexdigest()
    return encode_canonical_json({**fields, "checksum": checksum}) + b"\n", checksum
