"""How Synapse's own tests are compared; `.ci/run` runs them: `python -m tests.synapse_suite`."""

from tests.synapse_suite.comparing import Expectation, compare, expected
from tests.synapse_suite.running import Ran

REFUSED = Expectation("1", "no_addresses", "groups have no address")


def test_a_trial_in_which_a_test_fails_that_passes_without_the_module_is_a_difference() -> None:
    loaded = [Ran("tests.a", "passed"), Ran("tests.b", "failed", "FailTest: 1 != 2")]
    comparison = compare(loaded, [Ran("tests.b", "passed")], {})
    assert not comparison.as_expected
    assert comparison.differences == {"tests.b": "FailTest: 1 != 2"}
    assert "2 of Synapse's tests, 0 skipped" in comparison.report()


def test_a_test_that_fails_without_the_module_too_is_no_difference() -> None:
    failed = Ran("tests.b", "failed", "Error: no such library")
    comparison = compare([failed], [failed], {})
    assert comparison.as_expected
    assert comparison.failing_anyway == ("tests.b",)


def test_a_test_that_fails_for_the_reason_that_is_listed_is_as_expected() -> None:
    loaded = [Ran("tests.b_1", "failed", "403 != 200", ["no_addresses"])]
    plain = [Ran("tests.b_1", "passed")]
    assert compare(loaded, plain, {"tests.b_*": REFUSED}).as_expected
    assert not compare(loaded, plain, {"tests.c": REFUSED}).as_expected


def test_a_test_that_fails_for_another_reason_than_the_listed_one_is_a_difference() -> None:
    loaded = [Ran("tests.b", "failed", "403 != 200", ["undecided"])]
    comparison = compare(loaded, [Ran("tests.b", "passed")], {"tests.b": REFUSED})
    assert comparison.differences["tests.b"].startswith("not for no_addresses: 403 != 200")


def test_a_listed_test_that_passes_is_to_be_taken_off_the_list() -> None:
    comparison = compare([Ran("tests.b", "passed")], [], {"tests.b": REFUSED})
    assert comparison.outlived == ("tests.b",)
    assert not comparison.as_expected


def test_each_listed_test_has_its_rule_and_why() -> None:
    assert all(each.rule and each.why for each in expected(enforce=True).values())


def test_in_a_trial_only_what_nobody_can_see_differs() -> None:
    listed = expected(enforce=False)
    assert {each.why for each in listed.values()} <= {
        "the test counts the database's transactions, and the module's own are among them"
    }


def test_a_run_of_no_test_is_not_as_expected() -> None:
    assert not compare([], [], {}).as_expected
