"""The link of a code, which its QR picture holds, the address of its door, and their secret."""

import re
import secrets
from base64 import b32encode

from synapse.module_api import ModuleApi

_SECRET_BYTES = 17  # 136 bits
_LIKE_A_CODE = re.compile(r"#?j-[a-z2-7]{20,}(:.*)?", re.IGNORECASE)


def new_secret() -> str:
    """Random text of 28 characters, a-z and 2-7, fit for an address and for the ear.

    What has this form is kept out of logs (`telemetry.redaction`).
    """
    return b32encode(secrets.token_bytes(_SECRET_BYTES)).decode().rstrip("=").lower()


def code_link(api: ModuleApi, secret: str) -> str:
    """The link that a QR picture holds. The secret is in the fragment, which no server logs."""
    return f"{api.public_baseurl}_synapse/client/capgroups/join#{secret}"


def door_address(api: ModuleApi, secret: str) -> str:
    """The address of a secret's door."""
    return f"#j-{secret}:{api.server_name}"


def is_like_a_code(address: str) -> bool:
    """Whether an address, or its localpart, has the shape of a door's."""
    return _LIKE_A_CODE.fullmatch(address) is not None
