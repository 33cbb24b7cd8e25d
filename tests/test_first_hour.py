"""A newcomer's first hour, as the page tells it."""

from synapse_capgroups.concierge.understanding import understood
from tests.conftest import Starter
from tests.first_hour import PAGE, masked, play


def test_the_first_hour_is_as_its_page_says(start: Starter) -> None:
    page = PAGE.read_text()
    played = play(page, start(module={}).homeserver)
    assert masked(played) == masked(page)


def test_the_first_hour_has_no_dead_end() -> None:
    """Each answer does what was asked, or says what to write."""
    page = PAGE.read_text()
    for asked in page.split("> **Marta**: ")[1:]:
        said, _, answers = asked.partition("\n")
        assert "**Groups**:" in answers, said
        if not understood(said).word:
            assert "“" in answers, said
