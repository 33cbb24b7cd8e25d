"""What organisers do with their series when they ask the concierge."""

from collections.abc import Awaitable, Callable

from synapse_capgroups.concierge.asking import Asked, sorry
from synapse_capgroups.concierge.meaning import GroupsMeant, NamedGroup
from synapse_capgroups.concierge.series_codes import SeriesCodes
from synapse_capgroups.concierge.series_parsing import person, start_wish, unquoted
from synapse_capgroups.series.beginning import SeriesWish
from synapse_capgroups.series.changes import SeriesChange
from synapse_capgroups.series.organisers import Organiser
from synapse_capgroups.series.organising import Organising
from synapse_capgroups.words.lookup import Words

Deed = Callable[[Asked, Organiser, str], Awaitable[str]]
"""Is given who asks, the series, and what they said after its name; returns the answer."""


class SeriesDeeds:
    """Starts and changes series."""

    def __init__(
        self,
        series: Organising,
        groups: GroupsMeant,
        codes: SeriesCodes,
        words: Words,
        server_name: str,
    ) -> None:
        self._series = series
        self._groups = groups
        self._codes = codes
        self._words = words
        self._server_name = server_name

    def all(self) -> dict[str, Deed]:
        """The deeds by their words, which stand before the name of a series."""
        return {
            "pause": self._pause,
            "resume": self._resume,
            "end": self._end,
            "fill": self._fill,
            "max": self._max,
            "rename": self._rename,
            "pattern": self._pattern,
            "helper": self._helper,
            "drop": self._drop,
            "hand": self._hand,
            "take": self._take,
            "release": self._release,
            "code": self._codes.make,
        }

    async def start(self, user_id: str, rest: str) -> str:
        """Start a series, as `series start` says it."""
        wish = start_wish(rest)
        if not wish.pattern:
            raise sorry(self._words, "how_to_start")
        model = await self._model(user_id, wish.group)
        organiser = await self._series.starting.start(
            model.member, SeriesWish(wish.name, wish.pattern, wish.fill, wish.max_groups)
        )
        series = organiser.series
        return self._words.say(
            "series_started",
            name=series.name,
            group=model.called,
            fill=series.fill,
            most=series.max_groups,
        )

    async def _model(self, user_id: str, said: str) -> NamedGroup:
        """The group that a series is started from: whoever has only one need not name it."""
        if not said:
            groups = await self._groups.all(user_id)
            if len(groups) == 1:
                return groups[0]
        return await self._groups.one(user_id, said)

    async def _pause(self, _: Asked, organiser: Organiser, what: str) -> str:
        await self._series.changing.change(organiser, SeriesChange(paused=True))
        return self._words.say("series_paused_now", name=organiser.series.name)

    async def _resume(self, _: Asked, organiser: Organiser, what: str) -> str:
        await self._series.changing.change(organiser, SeriesChange(paused=False))
        return self._words.say("series_resumed", name=organiser.series.name)

    async def _end(self, _: Asked, organiser: Organiser, what: str) -> str:
        await self._series.changing.end(organiser)
        return self._words.say("series_ended_now", name=organiser.series.name)

    async def _fill(self, _: Asked, organiser: Organiser, what: str) -> str:
        return await self._changed(organiser, SeriesChange(fill=_number(what)))

    async def _max(self, _: Asked, organiser: Organiser, what: str) -> str:
        return await self._changed(organiser, SeriesChange(max_groups=_number(what)))

    async def _rename(self, _: Asked, organiser: Organiser, what: str) -> str:
        return await self._changed(organiser, SeriesChange(name=unquoted(what)))

    async def _pattern(self, _: Asked, organiser: Organiser, what: str) -> str:
        return await self._changed(organiser, SeriesChange(pattern=unquoted(what)))

    async def _changed(self, organiser: Organiser, change: SeriesChange) -> str:
        series = (await self._series.changing.change(organiser, change)).series
        return self._words.say(
            "series_changed",
            name=series.name,
            fill=series.fill,
            most=series.max_groups,
            pattern=series.pattern,
        )

    async def _helper(self, _: Asked, organiser: Organiser, what: str) -> str:
        user_id = person(what, self._server_name)
        tended = await self._series.helpers.name(organiser, user_id)
        said = self._words.say("series_helper_named", user=user_id, name=organiser.series.name)
        return self._with_groups(
            said, "series_without_power", tended.without_power.get(user_id, [])
        )

    async def _drop(self, _: Asked, organiser: Organiser, what: str) -> str:
        user_id = person(what, self._server_name)
        kept = await self._series.helpers.remove(organiser, user_id)
        said = self._words.say("series_helper_gone", user=user_id, name=organiser.series.name)
        return self._with_groups(said, "series_keeps_power", kept)

    def _with_groups(self, said: str, key: str, numbers: list[int]) -> str:
        if not numbers:
            return said
        return f"{said}\n{self._words.say(key, groups=', '.join(map(str, numbers)))}"

    async def _hand(self, _: Asked, organiser: Organiser, what: str) -> str:
        user_id = person(what, self._server_name)
        await self._series.helpers.hand_over(organiser, user_id)
        return self._words.say("series_handed", name=organiser.series.name, user=user_id)

    async def _take(self, asked: Asked, organiser: Organiser, what: str) -> str:
        group = await self._groups.one(asked.user_id, what)
        number, _tended = await self._series.groups.take_in(organiser, group.member)
        return self._words.say(
            "series_taken", group=group.called, number=number, name=organiser.series.name
        )

    async def _release(self, _: Asked, organiser: Organiser, what: str) -> str:
        number = _number(what)
        done = await self._series.groups.let_go(organiser, number)
        said = self._words.say("series_released", number=number, name=organiser.series.name)
        return said if done else "\n".join((said, self._words.say("series_kept_power")))


def _number(said: str) -> int:
    """The number that somebody writes; 0, which nothing takes, if it is none."""
    return int(said[:9]) if said.isdecimal() else 0
