"""Calls to the HTTP API of a homeserver with this module, in one person's name."""

import json
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

API = "/_synapse/client/capgroups/v1"

_LONGEST_ANSWER = 100_000_000
_TIMEOUT = 120  # seconds; the largest plans take some
_TRIES = 6
_LONGEST_WAIT = 60  # seconds


class CallError(Exception):
    """A call that led to nothing; the text is a sentence for people."""

    def __init__(
        self,
        sentence: str,
        *,
        passing: bool = False,
        unasked: bool = False,
        answer: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            passing: whether it may work if it is tried again.
            unasked: whether something is missing without which nobody can be asked.
            answer: what the server has answered, with its `status`; None if it has not.
        """
        super().__init__(sentence)
        self.passing = passing
        self.unasked = unasked
        self.answer = answer or {}

    @property
    def status(self) -> int:
        """Of the server's answer; 0 if there is none."""
        return int(self.answer.get("status", 0))


class _NoRedirects(HTTPRedirectHandler):
    """The library would send the token to wherever it is sent."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Homeserver:
    """A homeserver, and the token with which it is called."""

    def __init__(
        self,
        url: str,
        token: str,
        sleep: Callable[[float], None] = time.sleep,
        *,
        api: str = API,
    ) -> None:
        """
        Args:
            url: the public base URL.
            api: what the path of each call begins with.

        Raises:
            CallError: the URL or the token cannot be one, or the token could be read on its way.
        """
        self._base = _checked(url) + api
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise CallError("CAPGROUPS_TOKEN is not an access token.")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._opener = build_opener(_NoRedirects)
        self.sleep = sleep

    def call(self, method: str, *path: str, body: Any = None, after: str = "") -> dict[str, Any]:
        """Make a call, again if it comes too often, and return its answer.

        Args:
            path: its parts below `api`.
            after: the `next` of the page before.

        Raises:
            CallError: with the server's sentence, if it says no.
        """
        url = "/".join([self._base, *(quote(part, safe="") for part in path)])
        if after:
            url += f"?from={quote(after, safe='')}"
        data = None if body is None else json.dumps(body).encode()
        for _ in range(_TRIES):
            request = Request(url, data, self._headers, method=method)
            status, answer = self._answer(request)
            if status == HTTPStatus.OK:
                return answer
            if status != HTTPStatus.TOO_MANY_REQUESTS:
                break
            self.sleep(_wait(answer))
        raise CallError(
            _sentence(status, answer),
            passing=status >= 500 or status == 429,
            answer={**answer, "status": status},
        )

    def _answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        try:
            try:
                response = self._opener.open(request, timeout=_TIMEOUT)
            except HTTPError as e:
                response = e
            with response:
                content = response.read(_LONGEST_ANSWER + 1)
        except (OSError, URLError) as e:
            why = getattr(e, "reason", None) or e
            raise CallError(f"The server cannot be reached: {why}", passing=True) from None
        try:
            answer = json.loads(content) if len(content) <= _LONGEST_ANSWER else None
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            if response.status == HTTPStatus.OK:
                raise CallError("The server's answer is not JSON. Is this the right --server?")
            answer = {}
        return response.status, answer


def _checked(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http") or not host or parts.query or parts.fragment:
        raise CallError(f"'{url}' is no address of a server, such as https://chat.example.com.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise CallError("Over http:// others could read your token. Use https://.")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _wait(answer: dict[str, Any]) -> float:
    after = answer.get("retry_after_ms")
    milliseconds = after if isinstance(after, int) and after >= 0 else 1000
    return min(milliseconds / 1000, _LONGEST_WAIT)


def _sentence(status: int, answer: dict[str, Any]) -> str:
    if 300 <= status < 400:
        return "The server sends its callers elsewhere. Give that address as --server."
    if answer.get("errcode") == "M_UNKNOWN_TOKEN":
        return "The server does not know the access token in CAPGROUPS_TOKEN."
    if isinstance(answer.get("error"), str):
        return str(answer["error"])
    if status == HTTPStatus.NOT_FOUND:
        return "The server does not know this call. Is synapse-capgroups installed there?"
    return f"The server answers {status}."
