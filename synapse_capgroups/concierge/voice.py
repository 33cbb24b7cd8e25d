"""Cuts what the concierge says into pieces that fit into events. No Synapse, no I/O."""

import json

MOST_PARTS = 4
_MOST_BYTES = 16_000  # A whole event may have 65,536.
_LONGEST_NAME = 80


def parts(text: str, more: str) -> list[str]:
    """Cut a text at its line ends into parts that each fit into an event.

    Args:
        more: the last line, if the text is too long even for that.
    """
    said: list[list[str]] = [[]]
    room, cut = _MOST_BYTES, False
    for whole in text.rstrip("\n").split("\n"):
        line = whole
        if _size(line) > _MOST_BYTES:
            line, cut = shortened(line, _MOST_BYTES // 6 - 10), True
        size = _size(line)
        if said[-1] and size > room:
            if len(said) == MOST_PARTS:
                cut = True
                break
            said.append([])
            room = _MOST_BYTES
        said[-1].append(line)
        room -= size
    if cut:
        said[-1].append(more)
    return ["\n".join(lines) for lines in said]


def shortened(text: str, most: int = _LONGEST_NAME) -> str:
    """A text that is at most so many characters long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def one_line(text: str) -> str:
    """A name that somebody chose, short and on one line."""
    return shortened(" ".join(text.split()))


def _size(line: str) -> int:
    """The bytes that a line and its end take in an event. A control character takes six."""
    return len(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace"))
