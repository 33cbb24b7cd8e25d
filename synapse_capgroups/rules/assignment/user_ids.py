"""Matrix IDs as people write them in a table."""

import re

_LONGEST = 255
# Capital letters and the rest of what old accounts may have in their names are kept as they are;
# an account of today has none.
_FULL = re.compile(
    r"@(?P<localpart>[A-Za-z0-9._=/+-]+)"
    r":(?P<server>(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)"
)
_LOCALPART = re.compile(r"@?(?P<localpart>[A-Za-z0-9._=/+-]+)")


def matrix_id(said: str, server_name: str) -> str | None:
    """Whom a cell means; None if it is no Matrix ID.

    `anna`, `@anna` and `Anna` are people of this server. In a full Matrix ID capital letters are
    kept, since an old account may have them.

    Args:
        said: without white space around it.
        server_name: of this homeserver.
    """
    if full := _FULL.fullmatch(said):
        server = full["server"]
        if server.casefold() == server_name.casefold():
            server = server_name
        user_id = f"@{full['localpart']}:{server}"
    elif local := _LOCALPART.fullmatch(said):
        user_id = f"@{local['localpart'].lower()}:{server_name}"
    else:
        return None
    return user_id if len(user_id) <= _LONGEST else None
