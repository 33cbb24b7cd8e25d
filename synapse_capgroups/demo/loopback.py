"""What homeservers need to federate on loopback: TLS, and to find each other."""

import datetime
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from synapse_capgroups.demo.homeserver import free_port, listener


def certificate(folder: Path) -> dict[str, str]:
    """Make a certificate for 127.0.0.1 that nobody signed but itself.

    Returns:
        Synapse's settings for it.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.timezone.utc)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return {
        "tls_certificate_path": str(folder / "tls.crt"),
        "tls_private_key_path": str(folder / "tls.key"),
    }


def federation_settings(folder: Path) -> dict[str, Any]:
    """More of homeserver.yaml for a server that federates with others on loopback.

    Args:
        folder: where its certificate is kept.

    Returns:
        The settings, with one of `listeners`: where other servers reach it.
    """
    port = free_port()
    return {
        **certificate(folder),
        "server_name": f"127.0.0.1:{port}",
        "federation_verify_certificates": False,
        "ip_range_blacklist": [],
        # Servers are stopped and lines are cut; then others are to try again soon. Milliseconds.
        "federation": {
            "destination_min_retry_interval": 200, "destination_max_retry_interval": 1000,
            "max_short_retries": 1, "max_short_retry_delay": 100,
            "max_long_retries": 1, "max_long_retry_delay": 100,
        },
        "listeners": [{**listener(port, "federation"), "tls": True}],
    }  # fmt: skip


def with_clients(settings: Mapping[str, Any], port: int) -> dict[str, Any]:
    """The same settings with the listener for clients, which a single process needs."""
    client = listener(port, "client", "health", "metrics")
    return {**settings, "listeners": [client, *settings["listeners"]]}
