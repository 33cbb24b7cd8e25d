"""The configuration: one frozen class for each section of the YAML, checked at start.

Every mistake is a `ConfigurationError` that names the key's full path, what was found and what is
accepted. Durations are held in milliseconds, Synapse's own unit.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import attrs

from synapse_capgroups.rules.joining import Limits
from synapse_capgroups.words.languages import LANGUAGES
from synapse_capgroups.words.lookup import Words, in_language

T = TypeVar("T")

_MS_PER_UNIT = {
    "s": 1000,
    "m": 60 * 1000,
    "h": 60 * 60 * 1000,
    "d": 24 * 60 * 60 * 1000,
    "w": 7 * 24 * 60 * 60 * 1000,
    "y": 365 * 24 * 60 * 60 * 1000,
}
_DURATION = re.compile(r"([0-9]{1,9})([smhdwy])")
_WEB_ADDRESS = re.compile(r"https?://[^\s?#\"'<>]+")
_LINK = re.compile(r"https?://[^\s\"'<>]+")
_ROOM_OR_ADDRESS = re.compile(r"!\S+|#[^\s:]+:\S+")
LOCALPART = re.compile(r"[a-z0-9._=/+-]+")
_LONGEST = 100 * 365 * _MS_PER_UNIT["d"]
_HIGHEST_NUMBER = 2**31 - 1
"""Beyond any sensible value, and still an integer to PostgreSQL and to canonical JSON."""

PLATFORMS = ("ios", "android", "desktop")

MOST_GROUPS_OF_A_SERIES = 1000
"""Beyond what was measured. Whatever is done with each group of a series is bounded by it."""


class ConfigurationError(ValueError):
    """Something in the module's configuration cannot be used."""

    def __init__(self, path: str, found: object, accepted: str) -> None:
        super().__init__(f"{path}: found {_describe(found)}; accepted: {accepted}")
        self.path = path


def _describe(value: object) -> str:
    kinds = {
        type(None): "nothing",
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a section",
    }
    shown = repr(value)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    return f"{shown} ({kinds.get(type(value), type(value).__name__)})"


class _Section:
    """One mapping of the YAML, from which each key is taken once; `finish` minds the leftovers."""

    def __init__(self, raw: object, path: str = "") -> None:
        if raw is None:  # `friends:` with nothing below it
            raw = {}
        if not isinstance(raw, Mapping):
            raise ConfigurationError(path or "config", raw, "a section of keys and values")
        self._raw = dict(raw)
        self._path = path
        self._known: list[str] = []

    def path(self, key: object) -> str:
        return f"{self._path}.{key}" if self._path else str(key)

    def take(self, key: str, default: T, check: Callable[[object], T | None], accepted: str) -> T:
        """The value of `key`, or its default where it is not given.

        `check` returns the value to use, or None for "not acceptable".
        """
        self._known.append(key)
        if key not in self._raw:
            return default
        value = self._raw[key]
        try:
            checked = check(value)
        except ConfigurationError:
            raise
        except (TypeError, ValueError) as e:
            raise ConfigurationError(self.path(key), value, f"{accepted} ({e})") from e
        if checked is None:
            raise ConfigurationError(self.path(key), value, accepted)
        return checked

    def section(self, key: str) -> "_Section":
        self._known.append(key)
        return _Section(self._raw.get(key), self.path(key))

    def finish(self) -> None:
        for key in self._raw:
            if key not in self._known:
                import difflib  # Only a mistake needs it in memory.

                near = difflib.get_close_matches(str(key), self._known, n=1)
                hint = f"did you mean {self.path(near[0])}? " if near else ""
                raise ConfigurationError(
                    self.path(key), self._raw[key], f"{hint}known keys: {', '.join(self._known)}"
                )

    def integer(self, key: str, default: int, *, least: int, most: int | None = None) -> int:
        accepted = f"a whole number, {least} or more"
        if most is None:
            return self.take(key, default, _integer(least), accepted)
        return self.take(key, default, _integer(least, most), f"{accepted}, up to {most}")

    def optional_integer(self, key: str, default: int | None, *, least: int) -> int | None:
        # `take` reads None as "not acceptable", so null is tested before it is called.
        if self._raw.get(key, default) is None:
            self._known.append(key)
            return None
        accepted = f"null (no limit) or a whole number, {least} or more"
        return self.take(key, default, _integer(least), accepted)

    def boolean(self, key: str, default: bool) -> bool:
        return self.take(key, default, lambda v: v if isinstance(v, bool) else None, "true, false")

    def choice(self, key: str, default: str, choices: Iterable[str]) -> str:
        allowed = tuple(choices)
        accepted = "one of " + ", ".join(allowed)
        return self.take(key, default, lambda v: v if v in allowed else None, accepted)

    def duration(self, key: str, default: int, *, least: int = 0) -> int:
        accepted = (
            "a duration such as 30s, 15m, 12h, 7d, 2w or 1y, or a whole number of milliseconds"
        )
        if least:
            days = least // _MS_PER_UNIT["d"]
            accepted += f", {days}d or more" if days else ", more than nothing"

        def check(value: object) -> int | None:
            if isinstance(value, str):
                match = _DURATION.fullmatch(value)
                if match is None:
                    return None
                value = int(match[1]) * _MS_PER_UNIT[match[2]]
            if isinstance(value, int) and _is_integer(value, least) and value <= _LONGEST:
                return value
            return None

        return self.take(key, default, check, accepted)

    def strings(
        self, key: str, check: Callable[[str], object | None], accepted: str
    ) -> tuple[str, ...]:
        def check_all(value: object) -> tuple[str, ...] | None:
            if not isinstance(value, list):
                return None
            for i, item in enumerate(value):
                path = f"{self.path(key)}[{i}]"
                try:
                    if not isinstance(item, str) or check(item) is None:
                        raise ConfigurationError(path, item, accepted)
                except re.error as e:
                    raise ConfigurationError(path, item, f"{accepted} ({e})") from e
            return tuple(value)

        return self.take(key, (), check_all, f"a list; each entry is {accepted}")


def _is_integer(value: object, least: int) -> bool:
    # In Python true is a number; in YAML it is a mistake.
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _integer(least: int, most: int = _HIGHEST_NUMBER) -> Callable[[object], int | None]:
    def check(value: object) -> int | None:
        if isinstance(value, int) and _is_integer(value, least) and value <= most:
            return value
        return None

    return check


@attrs.frozen
class CodesConfig:
    """`codes`: how long join codes live, how often they may be used, who may make them."""

    lifetime: int = 7 * _MS_PER_UNIT["d"]  # ms
    max_lifetime: int = 30 * _MS_PER_UNIT["d"]  # ms
    max_uses: int | None = None
    share_level: int = 50
    door_stay: int = 5 * _MS_PER_UNIT["m"]  # ms
    element_url: str = "https://app.element.io"
    registration: bool = False

    @classmethod
    def take(cls, section: _Section) -> "CodesConfig":
        default = cls()
        config = cls(
            lifetime=section.duration("lifetime", default.lifetime, least=1),
            max_lifetime=section.duration("max_lifetime", default.max_lifetime, least=1),
            max_uses=section.optional_integer("max_uses", default.max_uses, least=1),
            share_level=section.integer("share_level", default.share_level, least=0),
            door_stay=section.duration("door_stay", default.door_stay, least=1),
            element_url=section.take(
                "element_url",
                default.element_url,
                lambda v: v if isinstance(v, str) and _WEB_ADDRESS.fullmatch(v) else None,
                "an address that starts with https:// or http:// and has no ? or #",
            ),
            registration=section.boolean("registration", default.registration),
        )
        section.finish()
        if config.lifetime > config.max_lifetime:
            raise ConfigurationError(
                section.path("lifetime"),
                config.lifetime,
                f"at most {section.path('max_lifetime')}, which is {config.max_lifetime} ms",
            )
        return config


@attrs.frozen
class App:
    """An app that the join page offers.

    Attributes:
        platform: where it runs: one of `PLATFORMS`.
        url: where people get it; `{server}` in it stands for the homeserver's name.
    """

    platform: str
    name: str
    url: str

    @classmethod
    def take(cls, section: _Section) -> "App":
        """Every key is needed."""
        link = "an address that starts with https:// or http://"
        app = cls(
            platform=section.choice("platform", "", PLATFORMS),
            name=section.take(
                "name",
                "",
                lambda v: v if isinstance(v, str) and 0 < len(v.strip()) <= 40 else None,
                "a name of 1 to 40 characters",
            ),
            url=section.take("url", "", _link, link),
        )
        section.finish()
        for key, value in attrs.asdict(app).items():
            if not value:
                raise ConfigurationError(section.path(key), None, "a value, which is missing")
        return app


def _link(value: object) -> str | None:
    return value if isinstance(value, str) and _LINK.fullmatch(value) else None


@attrs.frozen
class JoinPageConfig:
    """`join_page`: what the page of a code tells people who have no account or no app."""

    accounts: str = "auto"
    apps: tuple[App, ...] = (
        App("ios", "Element X", "https://apps.apple.com/app/id1631335820"),
        App(
            "android",
            "Element X",
            "https://play.google.com/store/apps/details?id=io.element.android.x",
        ),
    )

    @classmethod
    def take(cls, section: _Section) -> "JoinPageConfig":
        default = cls()

        def apps(value: object) -> tuple[App, ...] | None:
            if not isinstance(value, list):
                return None
            where = section.path("apps")
            return tuple(App.take(_Section(v, f"{where}[{i}]")) for i, v in enumerate(value))

        config = cls(
            accounts=section.take(
                "accounts",
                default.accounts,
                lambda v: "auto" if v == "auto" else "none" if v == "none" else _link(v),
                "auto, none, or an address that starts with https:// or http://",
            ),
            apps=section.take("apps", default.apps, apps, "a list of apps"),
        )
        section.finish()
        return config


@attrs.frozen
class FriendsConfig:
    """`friends`: what a friendship must be like to count (rule 3)."""

    min_age: int = 0  # ms
    max_vouches_per_day: int | None = None

    @classmethod
    def take(cls, section: _Section) -> "FriendsConfig":
        default = cls()
        config = cls(
            min_age=section.duration("min_age", default.min_age),
            max_vouches_per_day=section.optional_integer(
                "max_vouches_per_day", default.max_vouches_per_day, least=1
            ),
        )
        section.finish()
        return config


@attrs.frozen
class NamesConfig:
    """`names`: per-room display names (rule 6)."""

    keep: bool = True
    on_arrival: str = "profile"
    random_ids: bool = True

    @classmethod
    def take(cls, section: _Section) -> "NamesConfig":
        default = cls()
        config = cls(
            keep=section.boolean("keep", default.keep),
            on_arrival=section.choice("on_arrival", default.on_arrival, ("profile", "pseudonym")),
            random_ids=section.boolean("random_ids", default.random_ids),
        )
        section.finish()
        return config


@attrs.frozen
class DirectoryConfig:
    """`directory`: whom the user directory shows (rule 7)."""

    users: str = "friends"

    @classmethod
    def take(cls, section: _Section) -> "DirectoryConfig":
        config = cls(users=section.choice("users", cls().users, ("friends", "everyone")))
        section.finish()
        return config


@attrs.frozen
class SeriesConfig:
    """`series`: how large a series may get, and what its organisers may do (rules 11, 12, 14)."""

    max_groups: int = 20
    announcements_per_day: int = 4
    assign: str = "invite"

    @classmethod
    def take(cls, section: _Section) -> "SeriesConfig":
        default = cls()
        config = cls(
            max_groups=section.integer(
                "max_groups", default.max_groups, least=1, most=MOST_GROUPS_OF_A_SERIES
            ),
            announcements_per_day=section.integer(
                "announcements_per_day", default.announcements_per_day, least=0
            ),
            assign=section.choice("assign", default.assign, ("invite", "join")),
        )
        section.finish()
        return config


@attrs.frozen
class RecordConfig:
    """`record`: how long it is kept who came in how and by whom (rule 15)."""

    keep: int = _MS_PER_UNIT["y"]  # ms

    @classmethod
    def take(cls, section: _Section) -> "RecordConfig":
        # What people vouched for within a day is counted by it.
        keep = section.duration("keep", cls().keep, least=_MS_PER_UNIT["d"])
        section.finish()
        return cls(keep)


@attrs.frozen
class ExemptConfig:
    """`exempt`: what is not a group although it would be (rule 0)."""

    creators: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()
    spaces: bool = False

    @classmethod
    def take(cls, section: _Section) -> "ExemptConfig":
        config = cls(
            creators=section.strings(
                "creators", re.compile, "a regular expression over whole Matrix IDs"
            ),
            rooms=section.strings(
                "rooms",
                _ROOM_OR_ADDRESS.fullmatch,
                "a room ID, which starts with '!', or an address such as '#lobby:example.com'",
            ),
            spaces=section.boolean("spaces", cls().spaces),
        )
        section.finish()
        return config

    @property
    def addresses(self) -> frozenset[str]:
        """Those of `rooms` that are addresses."""
        return frozenset(room for room in self.rooms if room.startswith("#"))

    def creator(self, user_id: str) -> bool:
        """Whether rooms that this user creates are not groups. The whole ID must match."""
        return any(re.fullmatch(pattern, user_id) for pattern in self.creators)


@attrs.frozen
class Config:
    """The module's configuration as `homeserver.sample.yaml` shows it."""

    cap: int = 500
    code_limit: int = 100
    enforce: bool = True
    concierge: str = "groups"
    language: str = "en"
    codes: CodesConfig = CodesConfig()
    join_page: JoinPageConfig = JoinPageConfig()
    friends: FriendsConfig = FriendsConfig()
    names: NamesConfig = NamesConfig()
    directory: DirectoryConfig = DirectoryConfig()
    federation: str = "guarded"
    series: SeriesConfig = SeriesConfig()
    record: RecordConfig = RecordConfig()
    verified_contact: str = "none"
    exempt: ExemptConfig = ExemptConfig()

    @property
    def words(self) -> Words:
        """What people read, in the server's language."""
        return in_language(self.language)

    @property
    def is_guarded(self) -> bool:
        """Whether groups keep their rules across servers (rule 10). In a trial nothing is kept."""
        return self.enforce and self.federation != "open"

    @property
    def limits(self) -> Limits:
        """The numbers that decide who may come into a group."""
        return Limits(self.cap, self.code_limit, self.friends.max_vouches_per_day)

    @classmethod
    def from_yaml(cls, raw: object) -> "Config":
        """Check what stands under the module's `config:`.

        Raises:
            ConfigurationError: an unknown key, a wrong type or an impossible value.
        """
        default = cls()
        section = _Section(raw)
        config = cls(
            cap=section.integer("cap", default.cap, least=2),
            # With 1, nobody could ever start the direct chat that makes two people friends.
            code_limit=section.integer("code_limit", default.code_limit, least=2),
            enforce=section.boolean("enforce", default.enforce),
            concierge=section.take(
                "concierge",
                default.concierge,
                lambda v: v if isinstance(v, str) and LOCALPART.fullmatch(v) else None,
                "the localpart of a Matrix ID: a-z, 0-9 and . _ = / + -",
            ),
            language=section.choice("language", default.language, LANGUAGES),
            codes=CodesConfig.take(section.section("codes")),
            join_page=JoinPageConfig.take(section.section("join_page")),
            friends=FriendsConfig.take(section.section("friends")),
            names=NamesConfig.take(section.section("names")),
            directory=DirectoryConfig.take(section.section("directory")),
            federation=section.choice(
                "federation", default.federation, ("guarded", "local", "open")
            ),
            series=SeriesConfig.take(section.section("series")),
            record=RecordConfig.take(section.section("record")),
            verified_contact=section.choice(
                "verified_contact", default.verified_contact, ("none", "any", "email", "msisdn")
            ),
            exempt=ExemptConfig.take(section.section("exempt")),
        )
        section.finish()
        if config.code_limit > config.cap:
            raise ConfigurationError(
                "code_limit", config.code_limit, f"at most the cap, which is {config.cap}"
            )
        return config
