"""The media repository."""

import io
from pathlib import Path

import attrs
from synapse.media.filepath import MediaFilePaths
from synapse.module_api import ModuleApi, UserID


async def upload(api: ModuleApi, user_id: str, media_type: str, content: bytes) -> str:
    """Store a file as if this user had uploaded it; returns its `mxc:` address."""
    uri = await api._hs.get_media_repository().create_or_update_content(
        media_type, None, io.BytesIO(content), len(content), UserID.from_string(user_id)
    )
    return str(uri)


async def is_uploaded(api: ModuleApi, uri: str) -> bool:
    """Whether media is there. That of other servers is taken for it."""
    server, _, media_id = uri.removeprefix("mxc://").partition("/")
    if server != api.server_name:
        return True
    media = await api._hs.get_datastores().main.get_local_media(media_id)
    return media is not None and media.quarantined_by is None


@attrs.frozen
class SmallPicture:
    """One of the thumbnails that Synapse made of a picture when it was uploaded.

    Attributes:
        side: its shorter side, in pixels.
        length: its size in bytes.
    """

    file: Path
    media_type: str
    side: int
    length: int


async def small_pictures(api: ModuleApi, media_id: str) -> list[SmallPicture]:
    """The thumbnails of a picture that was uploaded here; none if this process may not read it.

    Not in the `ModuleApi`. Media in quarantine is not to be shown to anybody.
    """
    store = api._hs.get_datastores().main
    folder = getattr(api._hs.config.media, "media_store_path", None)  # Not on every worker.
    media = await store.get_local_media(media_id)
    if folder is None or media is None or media.quarantined_by is not None:
        return []
    paths = MediaFilePaths(folder)
    return [
        SmallPicture(
            Path(
                paths.local_media_thumbnail(
                    media_id, made.width, made.height, made.type, made.method
                )
            ),
            made.type,
            min(made.width, made.height),
            made.length,
        )
        for made in await store.get_local_media_thumbnails(media_id)
    ]
