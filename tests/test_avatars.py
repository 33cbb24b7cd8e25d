"""Which of Synapse's thumbnails the join page shows."""

from pathlib import Path

import pytest

from synapse_capgroups.inside.media import SmallPicture
from synapse_capgroups.web.avatars import _read, suitable


def small(side: int, length: int = 1000, media_type: str = "image/png") -> SmallPicture:
    return SmallPicture(Path("thumbnail"), media_type, side, length)


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        ([], None),
        ([small(32), small(96), small(240)], small(96)),
        ([small(32), small(240), small(480)], small(240)),
        ([small(32), small(64)], small(64)),
        ([small(32), small(96, 70_000), small(240, 80_000)], small(32)),
        ([small(96, 0), small(96, 1, "image/webp"), small(96, 1, "text/html")], None),
    ],
)
def test_the_smallest_that_is_large_enough_is_taken_else_the_largest(
    made: list[SmallPicture], taken: SmallPicture | None
) -> None:
    assert suitable(made) == taken


def test_a_file_that_is_missing_empty_or_larger_than_it_says_is_not_shown(tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("large", b"x" * 70_000)):
        (tmp_path / name).write_bytes(content)
    shown = [
        _read(SmallPicture(tmp_path / name, "image/png", 96, 1000))
        for name in ("empty", "large", "missing")
    ]
    assert shown == [None] * 3
