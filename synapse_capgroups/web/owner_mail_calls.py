"""The calls by which server admins write to the owners of all groups."""

from typing import Any

from synapse.module_api import JsonDict
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.helpdesk.owner_mail import LONGEST, NoSuchNoticeError, OwnerMail
from synapse_capgroups.storage.owner_notices import NoticeState
from synapse_capgroups.web.calls import Callers, Route, body
from synapse_capgroups.web.errors import not_found

_ONE = "admin/notices/([^/]+)"


class OwnerMailCalls:
    """Writes notices, tells how far they are, and stops them."""

    def __init__(self, callers: Callers, mail: OwnerMail) -> None:
        self._callers = callers
        self._mail = mail

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route.to(self._write, "POST", "admin/notices"),
            Route.to(self._progress, "GET", _ONE),
            Route.to(self._stop, "POST", f"{_ONE}/stop"),
        ]

    async def _write(self, request: Any) -> tuple[int, JsonDict]:
        by = await self._callers.server_admin(request)
        wish = body(request)
        text, apply = wish.get("text"), wish.get("apply", False)
        if not isinstance(apply, bool):
            raise SynapseError(400, "'apply' must be true or false", ErrorCodes.BAD_JSON)
        if not isinstance(text, str) or not 0 < len(text.strip()) <= len(text) <= LONGEST:
            said = f"'text' must be a text of 1 to {LONGEST} characters"
            raise SynapseError(400, said, ErrorCodes.BAD_JSON)
        # Neither can be stored: PostgreSQL has no NUL, and half a character is none.
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise SynapseError(400, "'text' has characters that are none", ErrorCodes.BAD_JSON)
        addressed = await self._mail.write(by, text, apply=apply)
        return 200, {
            "notice_id": addressed.notice_id,
            "applied": apply,
            "recipients": addressed.recipients,
            "before": addressed.before,
        }

    async def _progress(self, request: Any, notice_id: str) -> tuple[int, JsonDict]:
        await self._callers.server_admin(request)
        try:
            notice = await self._mail.progress(notice_id)
        except NoSuchNoticeError as e:
            raise not_found("There is no such notice") from e
        counts = {state.value: notice.counts.get(state, 0) for state in NoticeState}
        return 200, {"notice_id": notice_id, "written_at": notice.written_at, **counts}

    async def _stop(self, request: Any, notice_id: str) -> tuple[int, JsonDict]:
        by = await self._callers.server_admin(request)
        try:
            return 200, {"stopped": await self._mail.stop(by, notice_id)}
        except NoSuchNoticeError as e:
            raise not_found("There is no such notice") from e
