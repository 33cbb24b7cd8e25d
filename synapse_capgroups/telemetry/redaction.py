"""How the secret of a join code looks in a log, so that it is kept out of all of them."""

import re


def _encoded(plain: str, hexadecimal: str) -> str:
    """A character as it is, or percent-encoded, however often the percent sign was itself."""
    return f"(?:{plain}|%(?:25)*{hexadecimal})"


_HASH, _J, _DASH = _encoded("#", "23"), _encoded("j", "[46]a"), _encoded("-", "2d")
_LETTER = _encoded("[a-z2-7]", "(?:[46][1-9a-f]|[57][0-9a]|3[2-7])")

SECRET_IN_TEXT = re.compile(
    rf"(?i:({_HASH}{_J}{_DASH}){_LETTER}{{20,}})"
    # By itself: in a link, or among the values of a statement. Exactly as long as they are made.
    r"|(?<![A-Za-z0-9_])[a-z2-7]{28}(?![A-Za-z0-9_])"
)
"""The address of a door, encoded in any way that reaches it, or a secret by itself."""

IN_ITS_PLACE = r"\1<secret>"
