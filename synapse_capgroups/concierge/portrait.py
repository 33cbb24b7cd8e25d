"""The picture of the concierge's account, which people see on its invitation to a chat."""

import logging
from io import BytesIO
from typing import TYPE_CHECKING

from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.inside.media import is_uploaded, upload
from synapse_capgroups.inside.registration import set_avatar

if TYPE_CHECKING:
    from PIL import ImageDraw

logger = logging.getLogger(__name__)

SIDE = 256  # px
_FINE = 4
"""Drawn so many times as large, since Pillow draws no smooth edges."""
_BACKDROP, _PEOPLE, _FIRST = "#0b6450", "#9fd3c3", "#ffffff"  # The pages' own green.


class Portrait:
    """Gives the account a picture, before the first chat that a process opens."""

    def __init__(self, api: ModuleApi, user_id: str) -> None:
        self._api = api
        self._user_id = user_id
        self._was_looked_at = False

    async def hang(self) -> None:
        """Give the account a picture, unless it has one that can be shown. Once in a process.

        Rooms that it is in are not changed: each would get an event. A process without a media
        repository leaves it as it is.
        """
        if self._was_looked_at:
            return
        self._was_looked_at = True
        api, user_id = self._api, self._user_id
        try:
            profile = await api.get_profile_for_user(user_id.partition(":")[0][1:])
            if profile.avatar_url and await is_uploaded(api, profile.avatar_url):
                return
            picture = await api.defer_to_thread(portrait)
            await set_avatar(api, user_id, await upload(api, user_id, "image/png", picture))
        except SynapseError as e:
            # The disk is full, or somebody does not allow it. The concierge works without.
            logger.warning("The concierge gets no picture: %s", e.msg)
        except Exception:
            logger.exception("The concierge gets no picture")


def portrait() -> bytes:
    """Three people, as a PNG of 256 x 256 pixels."""
    # Drawn once in the life of a server: no other process needs this in memory.
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (SIDE * _FINE, SIDE * _FINE), _BACKDROP)
    draw = ImageDraw.Draw(picture)
    for x, y, size, colour in (
        (74, 120, 46, _PEOPLE),
        (182, 120, 46, _PEOPLE),
        (128, 134, 64, _FIRST),
    ):
        _person(draw, (x, y, size + 8), _BACKDROP)
        _person(draw, (x, y, size), colour)
    found = BytesIO()
    picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(found, "PNG", optimize=True)
    return found.getvalue()


def _person(draw: "ImageDraw.ImageDraw", at: tuple[int, int, int], colour: str) -> None:
    x, y, size = (number * _FINE for number in at)
    head, width, height = size * 0.45, size * 0.85, size * 1.7
    top = y + size * 0.15
    draw.ellipse((x - head, y - size - head * 0.2, x + head, y - size + head * 1.8), colour)
    draw.pieslice((x - width, top - size * 0.2, x + width, top + height), 180, 360, colour)
