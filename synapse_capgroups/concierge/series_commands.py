"""The commands about series: `series …` and `twice`."""

from synapse_capgroups.codes.cards import date
from synapse_capgroups.concierge.asking import Answer, Asked, Misunderstanding, sorry
from synapse_capgroups.concierge.parsing import matching
from synapse_capgroups.concierge.series_deeds import SeriesDeeds
from synapse_capgroups.concierge.series_parsing import deed_and_rest, name_and_rest
from synapse_capgroups.concierge.voice import shortened
from synapse_capgroups.concierge.who_is_who import WhoIsWho
from synapse_capgroups.series.groups import GroupInSeries
from synapse_capgroups.series.mistakes import SeriesRequestError
from synapse_capgroups.series.organisers import NoSuchSeriesError, Organiser
from synapse_capgroups.series.organising import Organising
from synapse_capgroups.storage.series import SeriesState
from synapse_capgroups.storage.series_counts import Came
from synapse_capgroups.words.lookup import Words

_MOST_GROUPS = 100
_MOST_PEOPLE = 50
_DAYS = 30
_STATES = {
    SeriesState.RUNNING: "is_running",
    SeriesState.PAUSED: "is_paused",
    SeriesState.ENDED: "is_ended",
}


class SeriesMeant:
    """Finds the series that a person means, among those that they run."""

    def __init__(self, series: Organising, words: Words) -> None:
        self._organisers = series.organisers
        self._words = words

    async def all(self, user_id: str) -> list[Organiser]:
        """What somebody runs and has not ended, always in the same order."""
        found = await self._organisers.of_person(user_id)
        return [one for one in found if one.series.state is not SeriesState.ENDED]

    async def one(self, user_id: str, said: str) -> Organiser:
        """The one that they mean.

        Raises:
            Misunderstanding: they may mean none or several.
        """
        found = await self.all(user_id)
        meant = matching(said, [one.series.name for one in found])
        if len(meant) != 1:
            key = "several_series" if meant else "no_such_series"
            raise sorry(self._words, key, said=said[:60])
        return found[meant[0]]


class SeriesReading:
    """Tells organisers of their series."""

    def __init__(self, series: Organising, who: WhoIsWho, words: Words) -> None:
        self._series = series
        self._who = who
        self._words = words

    async def all(self, runs: list[Organiser]) -> str:
        """All that somebody runs, with its numbers."""
        counts = await self._series.groups.counts(runs)
        lines = [
            self._words.say(
                "series_line",
                number=number,
                name=one.series.name,
                groups=groups,
                most=one.series.max_groups,
                state=self._state(one),
            )
            for number, (one, groups) in enumerate(zip(runs, counts, strict=True), 1)
        ]
        return "\n".join(lines) or self._words.say("no_series")

    def _state(self, organiser: Organiser) -> str:
        return self._words.say(_STATES[organiser.series.state])

    async def one(self, organiser: Organiser) -> str:
        """A series with its groups."""
        found = await self._series.groups.page(organiser, 0, _MOST_GROUPS + 1)
        series = organiser.series
        (groups,) = await self._series.groups.counts([organiser])
        head = self._words.say(
            "series_head",
            name=series.name,
            people=sum(group.people for group in found),
            groups=groups,
            most=series.max_groups,
            state=self._state(organiser),
        )
        filled = next(
            (group.number for group in found if group.places_left > 0 and group.label is None), None
        )
        lines = [self._group_line(group, filled) for group in found[:_MOST_GROUPS]]
        if len(found) > _MOST_GROUPS:
            lines.append(self._words.say("series_more"))
        return "\n".join([head, *lines])

    def _group_line(self, group: GroupInSeries, filled: int | None) -> str:
        if group.room_id is None:
            return self._words.say("series_group_unmade", number=group.number)
        key = "series_group_filled" if group.number == filled else "series_group"
        return self._words.say(
            key if group.is_member else "series_group_outside",
            number=group.number,
            group=shortened(group.name or self._words.say("unnamed")),
            people=group.people,
            places=group.people + max(0, group.places_left),
        )

    async def report(self, organiser: Organiser) -> str:
        """Who came lately, and how much place is left."""
        report = await self._series.reports.report(organiser, _DAYS)
        lines = [
            self._words.say(
                "series_report_head",
                name=organiser.series.name,
                members=report.members,
                groups=report.groups,
                left=report.places_left,
            )
        ]
        if report.with_a_friend is not None:
            percent = round(100 * report.with_a_friend)
            lines.append(self._words.say("series_report_friends", percent=percent))
        lines += [self._came(came) for came in report.came]
        if not report.came:
            lines.append(self._words.say("series_report_nobody", days=_DAYS))
        return "\n".join(lines)

    def _came(self, came: Came) -> str:
        otherwise = self._words.say("came_by_code" if came.by_code else "came_otherwise")
        return self._words.say(
            "series_report_line",
            day=date(came.day)[:10],
            label=came.label or otherwise,
            came=came.came,
            left=came.left,
            are_in=came.are_in,
        )

    async def twice(self, organiser: Organiser) -> str:
        """Who is in several of its groups."""
        found = await self._series.reports.twice(organiser, "", _MOST_PEOPLE)
        called = await self._who.to(organiser.user_id)
        lines = [
            self._words.say(
                "series_twice", user=called(user_id), groups=", ".join(map(str, numbers))
            )
            for user_id, numbers in found
        ]
        return "\n".join(lines) or self._words.say(
            "series_twice_nobody", name=organiser.series.name
        )


class SeriesCommands:
    """Finds out what a person asks about which of their series."""

    def __init__(
        self, meant: SeriesMeant, reading: SeriesReading, deeds: SeriesDeeds, words: Words
    ) -> None:
        self._meant = meant
        self._reading = reading
        self._start = deeds.start
        self._deeds = deeds.all()
        self._words = words

    def answers(self) -> dict[str, Answer]:
        """All commands about series, by their words."""
        return {
            "series": self._said(self._of_series),
            "twice": self._said(self._twice),
            "assign": self._assign,
        }

    def _said(self, answer: Answer) -> Answer:
        """The same, with what cannot be done put into words."""

        async def said(asked: Asked) -> str:
            try:
                return await answer(asked)
            except SeriesRequestError as e:
                raise Misunderstanding(self._words.say(e.problem.value, limit=e.limit)) from e
            except NoSuchSeriesError as e:
                raise Misunderstanding(self._words.say("series_unknown")) from e

        return said

    async def _of_series(self, asked: Asked) -> str:
        deeds = frozenset((*self._deeds, "start", "report"))
        deed, rest = deed_and_rest(asked.rest, deeds)
        if deed == "start":
            return await self._start(asked.user_id, rest)
        if deed:
            name, what = name_and_rest(rest)
            organiser = await self._meant.one(asked.user_id, name)
            if deed == "report":
                return await self._reading.report(organiser)
            return await self._deeds[deed](asked, organiser, what)
        if not rest:
            return await self._reading.all(await self._meant.all(asked.user_id))
        try:
            return await self._reading.one(await self._meant.one(asked.user_id, rest))
        except Misunderstanding as e:
            if rest.lower() in deeds:
                key = "how_to_start" if rest.lower() == "start" else "how_to_series"
                raise sorry(self._words, key) from e
            raise

    async def _assign(self, asked: Asked) -> str:
        """Where it is done: nobody pastes a table of people into a chat."""
        return self._words.say("assign_how")

    async def _twice(self, asked: Asked) -> str:
        return await self._reading.twice(await self._meant.one(asked.user_id, asked.rest))
