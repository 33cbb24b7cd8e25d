"""What is guessed about people, and the settings that are compared."""

from collections.abc import Mapping
from typing import Any

import attrs

from synapse_capgroups.config import Config

NO_LIMIT = 2**31 - 1


@attrs.frozen
class Guesses:
    """Numbers that nobody has measured. Shares are from 0 to 1, times are days.

    Attributes:
        friends, far: of `people.small_world`.
        size, spread: how many people would like to be in a group: a log-normal distribution with
            this median, and the standard deviation of its logarithm.
        pace: how many people each member tries to bring in a day, while the group is small against
            what it could be.
        by_code, by_stranger: how they try: by a code, or by an invitation to anybody; the others
            by an invitation to a friend.
        scanner_is_friend: how many of those who scan a code are friends of a member, who has shown
            it; the others are anybody, who has seen a poster.
        asks_friend: how many of the friends whom a dead code refused ask the member who showed it
            for an invitation, as the sentence tells them to.
        opens_chat: how many members open a direct chat with a stranger whom they may not invite, so
            as to invite them as a friend.
        tries_again: how many of those who have brought in enough people today try it tomorrow.
        leaves: how many members leave a group in a day.

        accounts: how many each spammer has.
        writes_to: to how many strangers each account writes in a day, asking for a chat.
        accepted: how many of them accept.
        obliges: how many of these also let themselves be talked into inviting the account.
        cools: how many of those who have to wait change their mind, in a week.
        brings: how many other accounts each tries to bring in a day, into each group that it is in.
        leaks: how many groups' codes get to a spammer in a day.
        removed: how many accounts in other people's groups are removed in a day.
        lured: how many people each recruiter finds in a day who want into their group.
        leaves_spam: how many of these leave in a day.
        restarts: whether a recruiter makes the next group when codes of the last one are dead.
    """

    friends: int = 10
    far: float = 0.1
    size: float = 90
    spread: float = 1.2
    pace: float = 0.35
    by_code: float = 0.45
    by_stranger: float = 0.2
    scanner_is_friend: float = 0.5
    asks_friend: float = 0.5
    opens_chat: float = 0.2
    tries_again: float = 0.8
    leaves: float = 0.002

    accounts: int = 10
    writes_to: int = 20
    accepted: float = 0.02
    obliges: float = 0.25
    cools: float = 0.5
    brings: int = 3
    leaks: float = 0.002
    removed: float = 0.3
    lured: int = 60
    leaves_spam: float = 0.05
    restarts: bool = False


@attrs.frozen
class Setting:
    """What an admin may have set.

    Attributes:
        name: short, for a table.
        options: the module's configuration; None is a server without the module.
    """

    name: str
    options: Mapping[str, Any] | None = attrs.field(factory=dict)

    def config(self) -> Config:
        if self.options is None:
            return Config(cap=NO_LIMIT, code_limit=NO_LIMIT)
        return Config.from_yaml(self.options)


def _friends(name: str, **options: Any) -> Setting:
    return Setting(name, {"friends": options})


WITHOUT = Setting("without the module", None)
DEFAULTS = Setting("defaults")
CAREFUL = _friends("min_age 7d, 3 vouches a day", min_age="7d", max_vouches_per_day=3)
CAP_ALONE = Setting("the cap alone", {"code_limit": 500})
CODE_LIMITS = [Setting(f"code_limit {n}", {"code_limit": n}) for n in (25, 50, 200)]
AGES = [_friends(f"min_age {age}", min_age=age) for age in ("1d", "7d", "30d")]
VOUCHES = [_friends(f"max_vouches_per_day {n}", max_vouches_per_day=n) for n in (10, 3, 1)]
STRICT = Setting(
    "the same, code_limit 25",
    {"code_limit": 25, "friends": {"min_age": "7d", "max_vouches_per_day": 3}},
)
SETTINGS = [WITHOUT, CAP_ALONE, DEFAULTS, *CODE_LIMITS, *AGES, *VOUCHES, CAREFUL, STRICT]

OTHER_LUCK = "as guessed, with other luck"
VARIATIONS: Mapping[str, Mapping[str, Any]] = {
    "as guessed": {},
    # How much of a difference is chance.
    OTHER_LUCK: {},
    "6 friends each": {"friends": 6},
    "20 friends each": {"friends": 20},
    "half of all friends live far away": {"far": 0.5},
    "codes are posters: 1 scanner in 10 is a friend": {"scanner_is_friend": 0.1},
    "members invite strangers as often as friends": {"by_code": 0.3, "by_stranger": 0.35},
    "nobody opens a chat only to invite": {"opens_chat": 0.0},
    "everybody opens a chat to invite": {"opens_chat": 1.0},
    "people accept 3 times as many chats": {"accepted": 0.06},
    "nobody changes their mind while they wait": {"cools": 0.0},
    "nobody removes spammers": {"removed": 0.0},
    "recruiters make one group after the other": {"restarts": True},
}
"""Other guesses, one at a time."""
VARIED = [WITHOUT, DEFAULTS, CAREFUL]
"""What is run with each of them."""


@attrs.frozen
class Size:
    """How large a run is.

    Attributes:
        operators: how many spammers there are of each kind.
    """

    people: int
    groups: int
    days: int
    operators: int
    settings: list[Setting]
    variations: Mapping[str, Mapping[str, Any]]


FULL = Size(1_000_000, 500, 60, 12, SETTINGS, VARIATIONS)
QUICK = Size(
    20_000,
    60,
    40,
    4,
    [WITHOUT, DEFAULTS, CODE_LIMITS[0], AGES[1], VOUCHES[1], CAREFUL],
    {name: VARIATIONS[name] for name in ("as guessed", OTHER_LUCK, "6 friends each")},
)
TINY = Size(2_000, 12, 30, 2, [WITHOUT, DEFAULTS, CAREFUL], {"as guessed": {}})
