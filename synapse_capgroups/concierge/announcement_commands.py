"""The commands about announcements: `announce`, and `yes` or `no` to what was shown."""

from collections.abc import Mapping

from synapse_capgroups.announcements.assembly import Announcing
from synapse_capgroups.announcements.changing import Progress
from synapse_capgroups.announcements.drafting import NoSuchAnnouncementError, Preview, Wish
from synapse_capgroups.announcements.telling import PROBLEMS
from synapse_capgroups.codes.cards import date
from synapse_capgroups.concierge.asking import (
    FORWARDED,
    Answer,
    Asked,
    Misunderstanding,
    sorry,
)
from synapse_capgroups.concierge.forwarding import Forwarding
from synapse_capgroups.concierge.parsing import announcement_wish, group_and_rest
from synapse_capgroups.concierge.series_commands import SeriesMeant
from synapse_capgroups.concierge.voice import shortened
from synapse_capgroups.config import Config
from synapse_capgroups.rules.announcements import AnnouncementError, text_message
from synapse_capgroups.series.organisers import NoSuchSeriesError, Organiser
from synapse_capgroups.storage.announcements import Announcement

_A_PAGE = 10
_LONGEST_SHOWN = 2000


class AnnouncementCommands:
    """Writes announcements for the organisers of series."""

    def __init__(
        self, announcing: Announcing, meant: SeriesMeant, forwarding: Forwarding, config: Config
    ) -> None:
        self._meant = meant
        self._organisers = announcing.organisers
        self._drafting = announcing.drafting
        self._announced = announcing.announced
        self._forwarding = forwarding
        self._a_day = config.series.announcements_per_day
        self._words = config.words
        self._deeds = {
            "list": self._list,
            "retry": self._retry,
            "edit": self._edit,
            "delete": self._delete,
        }

    def answers(self) -> dict[str, Answer]:
        """All commands about announcements, by their words."""
        return {
            "announce": self._told(self._announce),
            "yes": self._told(self._yes),
            "no": self._told(self._no),
            FORWARDED: self._told(self._forwarded),
        }

    def _told(self, answer: Answer) -> Answer:
        """The same, with why something cannot be done as the answer."""

        async def told(asked: Asked) -> str:
            try:
                return await answer(asked)
            except AnnouncementError as e:
                raise self._sorry(PROBLEMS[e.problem], most=self._a_day) from e
            except NoSuchAnnouncementError as e:
                raise sorry(self._words, "no_announcement") from e
            except NoSuchSeriesError as e:
                raise sorry(self._words, "series_unknown") from e

        return told

    def _sorry(self, key: str, **values: object) -> Misunderstanding:
        return sorry(self._words, key, **values)

    async def _announce(self, asked: Asked) -> str:
        word, rest = group_and_rest(asked.rest)
        if (deed := self._deeds.get(word.lower())) is not None:
            return await deed(asked, rest)
        wish = announcement_wish(asked.rest)
        if not wish.series:
            raise sorry(self._words, "announce_how")
        organiser = await self._series(asked.user_id, wish.series)
        content: object = await self._forwarding.replied_to(asked)
        if wish.text:
            content = text_message(wish.text)
        preview = await self._drafting.draft(
            organiser, Wish(content, wish.mention_room, wish.pin, asked.room_id)
        )
        if content is None:
            return self._words.say("announce_waits")
        return self._shown(organiser, preview)

    async def _forwarded(self, asked: Asked) -> str:
        draft = await self._drafting.drafted_in(asked.user_id, asked.room_id)
        if draft is None or draft.content is not None:
            raise sorry(self._words, "text_only")
        organiser = await self._organisers.organiser(asked.user_id, draft.series_id)
        wish = Wish(asked.content, draft.mention_room, draft.pin, asked.room_id)
        return self._shown(organiser, await self._drafting.draft(organiser, wish))

    def _shown(self, organiser: Organiser, preview: Preview) -> str:
        draft, reach = preview.draft, preview.reach
        lines = [
            self._words.say(
                "announce_preview",
                series=shortened(organiser.series.name),
                text=shown(draft, _LONGEST_SHOWN),
                groups=reach.groups,
                people=reach.people,
            )
        ]
        if reach.encrypted:
            lines.append(self._words.say("announce_encrypted", groups=reach.encrypted))
        if reach.without_author:
            lines.append(self._words.say("announce_without_you", groups=reach.without_author))
        if draft.mention_room:
            lines.append(self._words.say("announce_notifies"))
        if draft.pin:
            lines.append(self._words.say("announce_pins"))
        return "\n".join([*lines, self._words.say("announce_confirm")])

    async def _yes(self, asked: Asked) -> str:
        organiser, draft = await self._draft(asked)
        await self._drafting.confirm(organiser, draft.announcement_id)
        return self._words.say("announce_begun")

    async def _no(self, asked: Asked) -> str:
        organiser, draft = await self._draft(asked)
        await self._drafting.drop(organiser, draft.announcement_id)
        return self._words.say("announce_dropped")

    async def _draft(self, asked: Asked) -> tuple[Organiser, Announcement]:
        draft = await self._drafting.drafted_in(asked.user_id, asked.room_id)
        if draft is None:
            raise sorry(self._words, "nothing_to_confirm")
        return await self._organisers.organiser(asked.user_id, draft.series_id), draft

    async def _list(self, asked: Asked, rest: str) -> str:
        organiser = await self._series(asked.user_id, rest)
        found = await self._announced.page(organiser, _A_PAGE)
        return "\n".join(map(self._line, found)) or self._words.say("no_announcement")

    def _line(self, progress: Progress) -> str:
        said = progress.announcement
        return self._words.say(
            "announcement_line",
            at=date(said.confirmed_at or 0),
            text=shown(said, 60).replace("\n", " ") or self._words.say("announcement_is_gone"),
            reached=progress.reached,
            total=progress.total,
        )

    async def _retry(self, asked: Asked, rest: str) -> str:
        organiser = await self._series(asked.user_id, rest)
        latest = await self._announced.latest(organiser)
        await self._announced.retry(organiser, latest.announcement_id, asked.room_id)
        return self._words.say("announce_begun")

    async def _edit(self, asked: Asked, rest: str) -> str:
        wish = announcement_wish(rest)
        organiser = await self._series(asked.user_id, wish.series)
        latest = await self._announced.latest(organiser)
        content = text_message(wish.text)
        await self._announced.edit(organiser, latest.announcement_id, content, asked.room_id)
        return self._words.say("announce_begun")

    async def _delete(self, asked: Asked, rest: str) -> str:
        organiser = await self._series(asked.user_id, rest)
        latest = await self._announced.latest(organiser)
        await self._announced.delete(organiser, latest.announcement_id, asked.room_id)
        return self._words.say("announce_begun")

    async def _series(self, user_id: str, said: str) -> Organiser:
        """The one of a person's series that they mean."""
        if not said:
            raise sorry(self._words, "announce_how")
        return await self._meant.one(user_id, said)


def shown(announcement: Announcement, most: int) -> str:
    """What an announcement says, shortened; empty if that is gone."""
    content: Mapping[str, object] = announcement.content or {}
    return shortened(str(content.get("body", "")), most)
