"""A crowd before one poster is answered from memory for a second."""

from synapse_capgroups.web.glance import Glances

ANSWER = {"state": "alive", "expires_at": 5_000}


def test_an_answer_is_repeated_for_a_second() -> None:
    glances = Glances()
    assert glances.last("secret", 0, 0) is None
    glances.remember("secret", 1_000, 0, ANSWER)
    assert glances.last("secret", 1_999, 0) == ANSWER
    assert glances.last("secret", 2_000, 0) is None
    assert glances.last("other", 1_000, 0) is None


def test_no_answer_outlives_a_change_or_its_code() -> None:
    glances = Glances()
    glances.remember("secret", 4_500, 7, ANSWER)
    assert glances.last("secret", 4_600, 8) is None
    assert glances.last("secret", 4_999, 7) == ANSWER
    assert glances.last("secret", 5_000, 7) is None


def test_the_clock_may_be_set_back() -> None:
    glances = Glances()
    glances.remember("secret", 4_000, 0, ANSWER)
    assert glances.last("secret", 1_000, 0) is None


def test_memory_is_bounded() -> None:
    glances = Glances()
    for number in range(1_500):
        glances.remember(f"secret{number}", 0, 0, ANSWER)
    assert glances.last("secret0", 0, 0) is None
    assert glances.last("secret1499", 0, 0) == ANSWER
