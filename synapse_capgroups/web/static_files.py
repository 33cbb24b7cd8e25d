"""Pages and their scripts, as browsers get them: with headers that let nothing else in."""

# mypy: allow-untyped-calls
# Most of twisted.web has no types.

import hashlib
from importlib import resources

from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import Request

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        # The browser itself refuses `innerHTML` and its like.
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), clipboard-write=(self), geolocation=(), microphone=(), payment=(), usb=()"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Secured(Resource):
    """A resource with the headers above. Any method but GET and HEAD gets a 405."""

    def __init__(self, framed_by: str | None = None) -> None:
        """
        Args:
            framed_by: the origin whose pages may show it in a frame; else none may.
        """
        super().__init__()
        ancestors = f"frame-ancestors {framed_by}"
        self._headers = {
            name: value.replace("frame-ancestors 'none'", ancestors) if framed_by else value
            for name, value in _HEADERS.items()
        }

    def render(self, request: Request) -> int | bytes:
        for name, value in self._headers.items():
            request.setHeader(name, value)
        if request.method not in (b"GET", b"HEAD"):
            # Twisted would answer some of the other methods with a 501.
            request.setResponseCode(http.NOT_ALLOWED)
            request.setHeader("Allow", "GET, HEAD")
            return b""
        answer: int | bytes = super().render(request)
        return answer


class Asset(Secured):
    """A file that does not change while the server runs."""

    def __init__(self, name: str, content_type: str) -> None:
        super().__init__()
        self._content = static(name)
        self._content_type = content_type
        self._etag = f'"{hashlib.sha256(self._content).hexdigest()[:32]}"'.encode()

    def render_GET(self, request: Request) -> bytes:
        request.setHeader("Content-Type", f"{self._content_type}; charset=utf-8")
        # The browser keeps it but asks each time, so page and script always fit together.
        request.setHeader("Cache-Control", "no-cache")
        return b"" if request.setETag(self._etag) is http.CACHED else self._content


def static(name: str) -> bytes:
    """A file of the folder `static`."""
    return (resources.files("synapse_capgroups.web") / "static" / name).read_bytes()
