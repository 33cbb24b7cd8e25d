"""The commands about groups: `groups`, `name` and `who`."""

from collections.abc import Callable

from synapse_capgroups.codes.sharing import NotASharerError, Sharing
from synapse_capgroups.concierge.asking import Answer, Asked, refused, sorry
from synapse_capgroups.concierge.meaning import GroupsMeant
from synapse_capgroups.concierge.who_is_who import WhoIsWho
from synapse_capgroups.config import Config
from synapse_capgroups.groups.members import Members
from synapse_capgroups.people.time_zones import local_time
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.storage.admissions import Admission

_MOST_ADMISSIONS = 50
_LONGEST_NAME = 256  # Synapse's own limit.


class GroupCommands:
    """Tells people about their groups and renames them there."""

    def __init__(
        self,
        members: Members,
        sharing: Sharing,
        groups: GroupsMeant,
        who: WhoIsWho,
        config: Config,
    ) -> None:
        self._members = members
        self._sharing = sharing
        self._groups_meant = groups
        self._who_is_who = who
        self._cap = config.cap
        self._is_guarded = config.federation == "guarded"
        self._words = config.words

    def answers(self) -> dict[str, Answer]:
        """All commands about groups, by their words."""
        return {"groups": self._groups, "name": self._name, "who": self._who}

    async def _groups(self, asked: Asked) -> str:
        lines = []
        for number, named in enumerate(await self._groups_meant.all(asked.user_id), 1):
            lines.append(
                self._words.say(
                    "group_line",
                    number=number,
                    name=named.called,
                    members=await self._members.count(named.member),
                    cap=self._cap,
                )
            )
        return "\n".join(lines) or self._words.say("no_groups")

    async def _name(self, asked: Asked) -> str:
        if not asked.rest:
            raise sorry(self._words, "which_name")
        named, name = await self._groups_meant.one_and_rest(asked.user_id, asked.rest)
        if len(name) > _LONGEST_NAME:
            raise sorry(self._words, "name_too_long")
        await self._members.rename(named.member, name)
        return self._words.say("named", group=named.called, name=name)

    async def _who(self, asked: Asked) -> str:
        named = await self._groups_meant.one(asked.user_id, asked.rest)
        try:
            sharer = await self._sharing.sharer(named.member)
        except NotASharerError as e:
            raise refused(self._words, Refusal(Reason.NOT_ENTITLED)) from e
        record = await self._members.record(sharer, _MOST_ADMISSIONS)
        called = await self._who_is_who.to(asked.user_id, record.names)
        zone = record.time_zone
        lines = [self._told(admission, called, zone) for admission in reversed(record.admissions)]
        if not lines:
            lines.append(self._words.say("nobody"))
        if self._is_guarded and record.has_remote_members:
            # Their own server refuses their invitations, and cannot say why.
            lines.append(self._words.say("remote_members", group=named.called))
        return "\n".join(lines)

    def _told(self, admission: Admission, called: Callable[[str], str], zone: str | None) -> str:
        return self._words.say(
            f"who_{admission.how.value}",
            at=local_time(admission.admitted_at, zone),
            user=called(admission.user_id),
            by=called(admission.inviter or ""),
            code=admission.code_id,
        )
