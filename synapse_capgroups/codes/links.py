"""The link of a code, which its QR picture holds, and the address of its door."""

import re

from synapse.module_api import ModuleApi

_LIKE_A_CODE = re.compile(r"#?j-[a-z2-7]{20,}(:.*)?", re.IGNORECASE)


def code_link(api: ModuleApi, secret: str) -> str:
    """The link that a QR picture holds. The secret is in the fragment, which no server logs."""
    return f"{api.public_baseurl}_synapse/client/capgroups/join#{secret}"


def door_address(api: ModuleApi, secret: str) -> str:
    """The address of a secret's door."""
    return f"#j-{secret}:{api.server_name}"


def is_like_a_code(address: str) -> bool:
    """Whether an address, or its localpart, has the shape of a door's."""
    return _LIKE_A_CODE.fullmatch(address) is not None
