"""`capgroups adopt`: brings the rooms that break a rule to the rules, and takes them back."""

import argparse
import io
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from synapse_capgroups.admin import adoption_table
from synapse_capgroups.admin.adoption_plan import AdoptionPlan, make_plan
from synapse_capgroups.admin.exits import CANNOT_RUN, FOUND, OK, CannotRunError
from synapse_capgroups.admin.homeserver_yaml import ServerConfig, read
from synapse_capgroups.admin.opening import opened
from synapse_capgroups.admin.reading import main_database
from synapse_capgroups.admin.undo_file import Json, UndoFile
from synapse_capgroups.client.connection import CallError, Homeserver
from synapse_capgroups.client.environment import homeserver
from synapse_capgroups.client.terminal import Progress, complain, note

_TRIES = 10
_WAIT = 3.0  # Seconds until a server that does not answer is asked again.
_INTERRUPTED = 130

Sleep = Callable[[float], None]


def run(arguments: argparse.Namespace, sleep: Sleep = time.sleep) -> int:
    """Plan, carry out or take back, and return the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # Where the terminal has no UTF-8.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        server = read(arguments.config)
        if arguments.undo or arguments.apply:
            return _change(arguments, server, sleep)
        plan = _plan(arguments, server)
        _show(arguments, plan)
        if plan.changed:
            note(
                "\nNothing is done yet. To do exactly this:\n  "
                + shlex.join(["capgroups", "adopt", *_repeated(arguments), "--apply", plan.hash])
                + " --undo-file adopted.jsonl"
            )
        return FOUND if plan.changed else OK
    except CannotRunError as e:
        return complain(f"capgroups adopt: {e}", CANNOT_RUN)
    except CallError as e:
        again = "" if e.unasked else " The same command goes on where it was."
        return complain(f"capgroups adopt: {str(e).rstrip('.')}.{again}", CANNOT_RUN)
    except KeyboardInterrupt:
        return complain("Stopped. The same command goes on.", _INTERRUPTED)
    except BrokenPipeError:  # `| head` has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CANNOT_RUN


def _plan(arguments: argparse.Namespace, server: ServerConfig) -> AdoptionPlan:
    folder = Path(arguments.config[-1]).absolute()
    folder = folder if folder.is_dir() else folder.parent
    with opened(main_database(server), folder, timeout=arguments.timeout) as database:
        return make_plan(server, database, everything=arguments.all)


def _repeated(arguments: argparse.Namespace) -> list[str]:
    repeated = [part for path in arguments.config for part in ("-c", path)]
    return [*repeated, "--all"] if arguments.all else repeated


def _show(arguments: argparse.Namespace, plan: AdoptionPlan) -> None:
    if arguments.output == "json":
        adoption_table.as_json(plan, sys.stdout)
    elif arguments.output == "csv":
        adoption_table.as_csv(plan, sys.stdout)
    else:
        adoption_table.as_table(plan, sys.stdout, arguments.rows)


def _change(arguments: argparse.Namespace, server: ServerConfig, sleep: Sleep) -> int:
    if not server.is_configured or not server.module.enforce:
        raise CannotRunError(
            "The rules are not in force on this server, so nothing is changed. Set `enforce: true` "
            "in the module's configuration, restart Synapse, and run this again. Without --apply "
            "and --undo the plan is shown in a trial as well."
        )
    arguments.server = arguments.server or str(server.parsed.server.public_baseurl)
    connection = homeserver(arguments, sleep)
    if arguments.undo:
        file = UndoFile.open(Path(arguments.undo))
    elif os.path.exists(arguments.undo_file):
        file = UndoFile.open(Path(arguments.undo_file))
    else:
        plan = _plan(arguments, server)
        if plan.hash != arguments.apply:
            _show(arguments, plan)
            raise CannotRunError(
                "Nothing was done: the server has changed, so this is another plan than the one "
                f"you saw. Its hash is {plan.hash}."
            )
        rooms = [room.to_json() for room in plan.changed]
        file = UndoFile.create(Path(arguments.undo_file), plan.server_name, plan.hash, rooms)
    try:
        _require_fitting(file, arguments, server)
        work = _Work(connection, file, arguments.pause, sleep)
        return work.undo(server) if arguments.undo else work.apply()
    finally:
        file.close()


def _require_fitting(file: UndoFile, arguments: argparse.Namespace, server: ServerConfig) -> None:
    if file.server_name != server.server_name:
        raise CannotRunError(
            f"The undo file is of {file.server_name}, and this is {server.server_name}. Nothing "
            "was done."
        )
    if arguments.undo:
        return
    if file.plan_hash != arguments.apply:
        raise CannotRunError(
            f"The undo file is of the plan {file.plan_hash}. Name another file: it would be lost."
        )
    if file.is_undone:
        raise CannotRunError("This plan was taken back. Make a new one, with another undo file.")


class _Work:
    """Goes through the rooms of a file, one call for each."""

    def __init__(self, connection: Homeserver, file: UndoFile, pause: float, sleep: Sleep) -> None:
        self._connection = connection
        self._file = file
        self._pause = pause
        self._sleep = sleep

    def apply(self) -> int:
        """Carry the plan out, or go on with it."""
        ended = {"done", "left"}
        todo = [
            room
            for room_id, room in self._file.rooms.items()
            if self._file.ends.get(room_id, {}).get("kind") not in ended
        ]
        with Progress(len(todo), "rooms") as progress:
            for room in self._paced(todo, progress):
                self._file.note("begun", room["room_id"])
                notice = {"people": room["people"], "text": room["text"]}
                self._one(room, notice, undo=False, done="done", left="left")
        return self._end("done", "left", "changed as planned")

    def undo(self, server: ServerConfig) -> int:
        """Take back what was done, the last room first."""
        todo = []
        for room_id, room in reversed(self._file.rooms.items()):
            end = self._file.ends.get(room_id, {})
            untouched = end.get("kind") == "left" and not end["done"]
            if end and end["kind"] != "undone" and not untouched:
                todo.append(room)
        words = server.module.words
        with Progress(len(todo), "rooms") as progress:
            for room in self._paced(todo, progress):
                name = " ".join((room["name"] or "").split()) or words.say("unnamed")
                notice = {"people": room["people"], "text": words.say("adopt_undone", group=name)}
                self._one(room, notice, undo=True, done="undone", left="kept")
        return self._end("undone", "kept", "as before")

    def _paced(self, rooms: list[Json], progress: Progress) -> Iterable[Json]:
        for number, room in enumerate(rooms):
            if number:
                self._sleep(self._pause)
            progress.show(number)
            yield room
        progress.show(len(rooms))

    def _one(self, room: Json, notice: Json, *, undo: bool, done: str, left: str) -> None:
        room_id = room["room_id"]
        body = {
            "server": self._file.server_name,
            "undo": undo,
            "steps": room["steps"],
            "notice": notice if notice["people"] and notice["text"] else None,
        }
        try:
            answer = self._asked(room_id, body)
        except CallError as e:
            if e.answer.get("errcode") == "M_UNRECOGNIZED":
                raise CannotRunError(
                    "The running server does not know this call: it is in a trial, was not "
                    "restarted with this configuration, or it is another server. Nothing "
                    "more was done."
                ) from e
            if not _is_about_the_room(e):
                raise
            self._file.note(left, room_id, why=str(e), done=int(e.answer.get(_DONE, 0)))
        else:
            self._file.note(done, room_id, changed=answer["changed"], told=answer["told"])

    def _asked(self, room_id: str, body: Json, tries: int = _TRIES) -> Json:
        try:
            return self._connection.call("POST", "admin", "groups", room_id, "adopt", body=body)
        except CallError as e:
            if not e.passing or tries <= 1:
                raise
        self._sleep(_WAIT)  # It is restarting, perhaps.
        return self._asked(room_id, body, tries - 1)

    def _end(self, done: str, left: str, are: str) -> int:
        ends: list[tuple[str, dict[str, Any]]] = list(self._file.ends.items())
        stayed = [(room_id, end) for room_id, end in ends if end["kind"] == left]
        for room_id, end in stayed:
            note(f"Left as it is: {room_id}: {end['why']}")
        count = sum(end["kind"] == done for _, end in ends)
        note(f"{count} {'room' if count == 1 else 'rooms'} {are}.")
        return FOUND if stayed else OK


_DONE = "org.capgroups.done"


def _is_about_the_room(error: CallError) -> bool:
    """Whether the server has said no to this room, and may say yes to others.

    An error of the server's own, again and again, is: no room must be able to stop all others.
    """
    status, code = error.answer.get("status"), error.answer.get("errcode")
    if status == 400:
        return error.answer.get("org.capgroups.reason") != "other_server"
    return status in (409, 413, 500) or (status == 404 and code == "M_NOT_FOUND")
