"""What is asked of the running server's own Admin API while the module is removed."""

from http import HTTPStatus
from typing import Any

from synapse_capgroups.admin.exits import CannotRunError
from synapse_capgroups.client.connection import CallError, Homeserver

_FIRST_LOOK, _LONGEST_WAIT = 0.05, 2.0  # seconds
_LONGEST = 600.0
_ENDED = {"complete", "failed"}


class SynapseApi:
    """A running homeserver, called as one of its admins."""

    def __init__(self, server: Homeserver) -> None:
        self._server = server

    def check(self, server_name: str) -> None:
        """See that it is the right server, the token an admin's, and the module not there.

        Raises:
            CannotRunError: it is not so.
        """
        try:
            who = self._server.call("GET", "_matrix", "client", "v3", "account", "whoami")
            user_id = str(who.get("user_id"))
            if not user_id.endswith(f":{server_name}"):
                raise CannotRunError(
                    f"The server says that the token is {user_id}'s, and homeserver.yaml is of "
                    f"{server_name}. Name the right server with --server."
                )
            self._call("GET", "v1", "users", user_id, "admin")
        except CallError as e:
            if e.status == HTTPStatus.FORBIDDEN:
                raise CannotRunError("The token in CAPGROUPS_TOKEN is not a server admin's.") from e
            raise CannotRunError(_unreachable(e)) from e
        if self._has_module():
            raise CannotRunError(
                "The running server still has the module. Take it out of `modules` in "
                "homeserver.yaml, restart Synapse with all its workers, and run this again."
            )

    def _has_module(self) -> bool:
        # The second is 503 while the module is in trouble. A trial has neither: it is found out by
        # its sweeps.
        for path in (("v1", "series"), ("health",)):
            try:
                self._server.call("GET", "_synapse", "client", "capgroups", *path)
            except CallError as e:
                if e.status == HTTPStatus.NOT_FOUND:
                    continue
                if e.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    raise CannotRunError(_unreachable(e)) from e
            return True
        return False

    def delete_room(self, room_id: str) -> str | None:
        """Delete a room of the module's, with all that is in it.

        Returns:
            What is in the way; None if it is gone.
        """
        try:
            delete_id = self._begin_to_delete(room_id)
            waited, wait = 0.0, _FIRST_LOOK
            while waited < _LONGEST:
                states = self._states(room_id, delete_id)
                if states and states <= _ENDED:
                    return None if "complete" in states else "Synapse could not delete it."
                self._server.sleep(wait)
                waited, wait = waited + wait, min(2 * wait, _LONGEST_WAIT)
        except CallError as e:
            if e.passing or not e.status:
                raise CannotRunError(_unreachable(e)) from e
            return str(e)
        return "Synapse has not deleted it in ten minutes."

    def _begin_to_delete(self, room_id: str) -> str | None:
        """Returns the deletion's ID; None if one was under way."""
        try:
            begun = self._call("DELETE", "v2", "rooms", room_id, body={"purge": True})
        except CallError as e:
            if e.status == HTTPStatus.BAD_REQUEST and "progress" in str(e):
                return None
            raise
        return str(begun.get("delete_id"))

    def _states(self, room_id: str, delete_id: str | None) -> set[str]:
        """How far deletions of a room are; empty as long as Synapse has not begun."""
        if delete_id is not None:
            return {str(self._call("GET", "v2", "rooms", "delete_status", delete_id).get("status"))}
        try:
            answer = self._call("GET", "v2", "rooms", room_id, "delete_status")
        except CallError as e:
            if e.status == HTTPStatus.NOT_FOUND:
                return set()
            raise
        return {str(result.get("status")) for result in answer.get("results", ())}

    def deactivate(self, user_id: str) -> None:
        """Deactivate an account of the module's, with erasure.

        Raises:
            CannotRunError: the server says no.
        """
        try:
            self._call("POST", "v1", "deactivate", user_id, body={"erase": True})
        except CallError as e:
            raise CannotRunError(f"{user_id} could not be deactivated: {e}") from e

    def _call(self, method: str, *path: str, body: Any = None) -> dict[str, Any]:
        return self._server.call(method, "_synapse", "admin", *path, body=body)


def _unreachable(error: CallError) -> str:
    return (
        f"Synapse's Admin API did not answer: {error} Name an address where it can be reached with "
        "--server, such as http://localhost:8008, and run this again."
    )
