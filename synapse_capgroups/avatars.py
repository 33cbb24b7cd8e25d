"""A group's avatar for the join page: small, and within the answer itself.

The page belongs to people without a login, to whom Synapse gives no media.
"""

import base64
import re
from collections import OrderedDict
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps
from synapse.module_api import ModuleApi

from synapse_capgroups import inside

_SIZE = 96  # px; the page shows it at 72 at most, and phones have more than one px for each
_MOST_BYTES = 10 * 1024 * 1024
_MOST_PIXELS = 32_000_000  # Synapse's own default for what it makes thumbnails of.
_REMEMBERED = 300
_REMEMBERED_MS = 10 * 60 * 1000  # Afterwards one looks whether it was put in quarantine.
_ADDRESS = re.compile(r"mxc://([^/]+)/([A-Za-z0-9_-]+)")


class Avatars:
    """Makes avatars small, and remembers the latest."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api
        self._remembered: OrderedDict[str, tuple[int, str | None]] = OrderedDict()

    async def of_group(self, room_id: str) -> str | None:
        """A group's avatar as a `data:` address of a WebP picture of 96 by 96 pixels.

        None if it has none, or one that this process cannot read: from another server, in
        quarantine, in a store that only another process has.
        """
        key = ("m.room.avatar", "")
        event = (await self._api.get_room_state(room_id, [key])).get(key)
        address = event.content.get("url") if event else None
        match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if match is None or match[1] != self._api.server_name:
            return None
        now = self._api.get_current_time_msec()
        if match[2] in self._remembered:
            made_at, picture = self._remembered[match[2]]
            if now - made_at < _REMEMBERED_MS:
                self._remembered.move_to_end(match[2])
                return picture
        file = await inside.local_picture(self._api, match[2], _MOST_BYTES)
        picture = await self._api.defer_to_thread(_small, file) if file else None
        self._remembered[match[2]] = now, picture
        self._remembered.move_to_end(match[2])
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return picture


def _small(file: Path) -> str | None:
    try:
        with Image.open(file, formats=("PNG", "JPEG", "WEBP", "GIF")) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.draft("RGB", (_SIZE, _SIZE))  # Of a JPEG, read no more than is shown.
            upright = ImageOps.exif_transpose(image).convert("RGBA")
        small = ImageOps.fit(upright, (_SIZE, _SIZE), Image.Resampling.LANCZOS)
        output = BytesIO()
        small.save(output, "WEBP", quality=80)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None  # No picture, or a broken one: what people upload is not checked.
    return f"data:image/webp;base64,{base64.b64encode(output.getvalue()).decode()}"
