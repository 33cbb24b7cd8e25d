"""A group's avatar for the join page: small, and inside the answer itself.

Visitors of the page have no login, and Synapse gives them no media. The module scales no picture
for them: one of 100 kB can have 32 million pixels and take 300 MB of memory. Synapse made
thumbnails when the picture was uploaded, and the answer has one of those.
"""

import base64
import re
from collections.abc import Sequence

from synapse.module_api import ModuleApi

from synapse_capgroups.inside.media import SmallPicture, small_pictures

_SIZE = 96  # px; the page shows it at 72 at most, and phones have more than one px for each
_MOST_BYTES = 64 * 1024  # Of 96 by 96 pixels, even noise with transparency takes less.
_STILL = ("image/jpeg", "image/png")  # A WebP is what Synapse makes of a picture that moves.
_ADDRESS = re.compile(r"mxc://([^/]+)/([A-Za-z0-9_-]+)")


class Avatars:
    """Finds the thumbnail of a group's avatar."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api

    async def of_group(self, room_id: str) -> str | None:
        """A group's avatar as a `data:` address. None where `picture` gives None."""
        found = await self.picture(room_id)
        if found is None:
            return None
        return f"data:{found[0]};base64,{base64.b64encode(found[1]).decode()}"

    async def picture(self, room_id: str) -> tuple[str, bytes] | None:
        """A group's avatar of about 96 by 96 pixels, after its media type.

        None if the group has no avatar, or one without a thumbnail that this process can read: it
        may be from another server, in quarantine, or in the store of another process.
        """
        key = ("m.room.avatar", "")
        event = (await self._api.get_room_state(room_id, [key])).get(key)
        address = event.content.get("url") if event else None
        match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if match is None or match[1] != self._api.server_name:
            return None
        # Looked up each time, so a picture in quarantine disappears at once.
        small = suitable(await small_pictures(self._api, match[2]))
        return await self._api.defer_to_thread(_read, small) if small else None


def suitable(pictures: Sequence[SmallPicture]) -> SmallPicture | None:
    """The smallest thumbnail that is large enough for the page, or else the largest."""
    fitting = [
        small for small in pictures
        if small.media_type in _STILL and 0 < small.length <= _MOST_BYTES
    ]  # fmt: skip
    large = [small for small in fitting if small.side >= _SIZE]
    if large:
        return min(large, key=lambda small: small.side)
    return max(fitting, key=lambda small: small.side, default=None)


def _read(small: SmallPicture) -> tuple[str, bytes] | None:
    try:
        with small.file.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError:
        return None
    if not content or len(content) > _MOST_BYTES:
        return None
    return small.media_type, content
