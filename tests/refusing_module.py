"""A module beside ours, as another admin may have one: it refuses what a file tells it to."""

import json
from pathlib import Path
from typing import Any, Literal

from synapse.module_api import NOT_SPAM, JsonDict, ModuleApi
from synapse.module_api.errors import Codes

from tests.conftest import Server

SENTENCE = "The other module says no."
REASON = "org.example.reason"

Answer = Literal["NOT_SPAM"] | tuple[Codes, JsonDict]


class Refusing:
    """Refuses invitations of, joins by and rooms made by the Matrix IDs in `refused.json`."""

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        self._file = Path(config["file"])
        api.register_spam_checker_callbacks(
            user_may_join_room=self.user_may_join_room,
            user_may_invite=self.user_may_invite,
            user_may_create_room=self.user_may_create_room,
        )

    async def user_may_join_room(self, user_id: str, room_id: str, is_invited: bool) -> Answer:
        # Doors are for everybody: only who was invited is refused.
        return self._answer("join", user_id) if is_invited else NOT_SPAM

    async def user_may_invite(self, inviter: str, invitee: str, room_id: str) -> Answer:
        return self._answer("invite", invitee)

    async def user_may_create_room(self, user_id: str, config: JsonDict) -> Answer:
        return self._answer("create", user_id)

    def _answer(self, what: str, user_id: str) -> Answer:
        if not self._file.exists() or user_id not in json.loads(self._file.read_text())[what]:
            return NOT_SPAM
        return Codes.EXCLUSIVE, {"error": SENTENCE, REASON: what}


def beside(module: dict[str, Any], *, first: bool = False) -> dict[str, Any]:
    """The `modules` of homeserver.yaml: ours, and this one after or before it."""
    modules = [
        {"module": "synapse_capgroups.CapGroups", "config": module},
        {"module": "tests.refusing_module.Refusing", "config": {"file": "refused.json"}},
    ]
    return {"modules": modules[::-1] if first else modules}


def refuse(server: Server, **refused: list[str]) -> None:
    """From now on it refuses these Matrix IDs, by `join`, `invite` and `create`."""
    file = server.homeserver.folder / "refused.json"
    file.write_text(json.dumps({"join": [], "invite": [], "create": [], **refused}))
