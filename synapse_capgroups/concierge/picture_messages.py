"""Sends the picture of a new code into a chat."""

import logging

from synapse.module_api import ModuleApi

from synapse_capgroups.codes.sharing import CodePictures
from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.inside.media import upload
from synapse_capgroups.storage.codes import Code

logger = logging.getLogger(__name__)

_LONGEST_NAME = 60


class PictureMessages:
    """Draws, uploads and sends pictures."""

    def __init__(self, api: ModuleApi, chats: ConciergeChats, pictures: CodePictures) -> None:
        self._api = api
        self._chats = chats
        self._pictures = pictures

    async def send(self, room_id: str, code: Code, called: str) -> None:
        """Send the card of a new code, if this process can upload it.

        Args:
            called: what it opens, after which the file is named.
        """
        picture = await self._pictures.of_new(code)
        try:
            uri = await upload(self._api, self._chats.user_id, "image/png", picture)
        except Exception:
            # A worker without media, or a full disk: the link that follows is as good.
            logger.exception("Could not upload the picture of a join code")
            return
        await self._chats.send(
            room_id,
            {
                "msgtype": "m.image",
                "body": f"{file_name(called)}.png",
                "url": uri,
                "info": {
                    "mimetype": "image/png",
                    "size": len(picture),
                    # Some clients show nothing without these; a PNG has them at this place.
                    "w": int.from_bytes(picture[16:20], "big"),
                    "h": int.from_bytes(picture[20:24], "big"),
                },
            },
        )


def file_name(called: str) -> str:
    """A name for a file that every system can keep; people have several codes on their phones."""
    kept = "".join(c if c.isalnum() or c in " -_" else " " for c in called)
    return " ".join(kept.split())[:_LONGEST_NAME].strip() or "join-code"
