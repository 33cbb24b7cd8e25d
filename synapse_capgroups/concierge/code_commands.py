"""The commands about join codes and personal codes: `code`, `me`, `codes` and `revoke`."""

from synapse_capgroups.codes.cards import date
from synapse_capgroups.codes.making import Terms
from synapse_capgroups.codes.problems import CodeRequestError
from synapse_capgroups.codes.sharing import NoSuchCodeError, NotASharerError, Sharing
from synapse_capgroups.concierge.asking import Answer, Asked, Misunderstanding, refused, sorry
from synapse_capgroups.concierge.meaning import GroupsMeant
from synapse_capgroups.concierge.parsing import code_wish, group_and_page
from synapse_capgroups.concierge.picture_messages import PictureMessages
from synapse_capgroups.concierge.understanding import about
from synapse_capgroups.concierge.voice import shortened
from synapse_capgroups.concierge.who_is_who import WhoIsWho
from synapse_capgroups.config import Config
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.storage.codes import Page

_A_PAGE = 20
_DAY_MS = 24 * 60 * 60 * 1000


class CodeCommands:
    """Makes, lists and revokes codes for the people who ask."""

    def __init__(
        self,
        sharing: Sharing,
        groups: GroupsMeant,
        pictures: PictureMessages,
        who: WhoIsWho,
        config: Config,
    ) -> None:
        self._sharing = sharing
        self._groups = groups
        self._pictures = pictures
        self._who = who
        self._config = config
        self._words = config.words
        self._accounts = config.codes.registration

    def answers(self) -> dict[str, Answer]:
        """All commands about codes, by their words."""
        return {
            "code": self._code,
            "me": self._me,
            "codes": self._codes,
            "revoke": self._revoke,
        }

    async def _code(self, asked: Asked) -> str:
        wish = code_wish(asked.rest)
        named = await self._groups.one(asked.user_id, wish.group)
        try:
            code = await self._sharing.make(named.member, Terms(wish.lifetime, wish.max_uses))
        except CodeRequestError as e:
            raise not_made(e, self._config) from e
        await self._pictures.send(asked.room_id, code, named.name)
        uses = self._words.say("for_uses", uses=code.max_uses) if code.max_uses else ""
        said = self._words.say(
            "code",
            group=named.called,
            until=date(code.expires_at),
            uses=uses,
            url=self._sharing.url(code),
            code_id=code.code_id,
        )
        # Whoever gives it away should know.
        return "\n".join([said, self._words.say("code_accounts")]) if self._accounts else said

    async def _me(self, asked: Asked) -> str:
        wish = code_wish(asked.rest)
        if about(wish.group):
            raise sorry(self._words, "which_me")
        try:
            terms = Terms(wish.lifetime, wish.max_uses)
            code = await self._sharing.make_personal(asked.user_id, terms)
        except CodeRequestError as e:
            raise not_made(e, self._config) from e
        await self._pictures.send(asked.room_id, code, asked.user_id)
        return self._words.say(
            "personal_code",
            until=date(code.expires_at),
            url=self._sharing.url(code),
            code_id=code.code_id,
        )

    async def _codes(self, asked: Asked) -> str:
        said, number = group_and_page(asked.rest)
        named = await self._groups.one(asked.user_id, said)
        try:
            sharer = await self._sharing.sharer(named.member)
        except NotASharerError as e:
            raise refused(self._words, Refusal(Reason.NOT_ENTITLED)) from e
        page = Page(_A_PAGE + 1, skip=_A_PAGE * (number - 1))
        found = await self._sharing.page(sharer, page)
        called = await self._who.to(asked.user_id)
        lines = [
            self._words.say(
                "code_line",
                code_id=state.code.code_id,
                state=self._words.say(state.died_of.value if state.died_of else "alive"),
                sharer=called(state.code.sharer),
                until=date(state.code.expires_at),
                uses=state.code.uses,
            )
            for state in found[:_A_PAGE]
        ]
        if len(found) > _A_PAGE:
            lines.append(self._words.say("older_codes", group=said, page=number + 1))
        return "\n".join(lines) or self._words.say("no_codes", group=shortened(said))

    async def _revoke(self, asked: Asked) -> str:
        try:
            await self._sharing.revoke(asked.user_id, about(asked.rest).lower())
        except NoSuchCodeError as e:
            raise sorry(self._words, "no_such_code") from e
        return self._words.say("revoked")


def not_made(error: CodeRequestError, config: Config) -> Misunderstanding:
    """The answer to somebody whose code cannot be made, to be raised."""
    if (reason := error.problem.reason) is None:
        days = config.codes.max_lifetime // _DAY_MS
        return sorry(config.words, error.problem.value, days=days)
    return refused(config.words, Refusal(reason, error.members, config.code_limit))
