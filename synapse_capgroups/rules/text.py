"""Which text can be stored and sent."""


class MalformedRequest(ValueError):
    """A request that cannot be judged or carried out; the text says what it must look like."""


def is_text(text: str) -> bool:
    """Whether text can be in an event: half a surrogate pair cannot be UTF-8, nor NUL be stored."""
    return "\0" not in text and text.encode("utf-8", "replace").decode() == text
