"""When something was, for a person in their time zone."""

import datetime
import zoneinfo

_LONGEST = 64


def local_time(ms: int, zone: str | None) -> str:
    """A moment as people of any language read it; in UTC if their time zone is not known.

    Args:
        ms: milliseconds since 1970.
        zone: what the person wrote, for instance `Europe/Berlin`.
    """
    at = datetime.datetime.fromtimestamp(ms / 1000, _zone(zone))
    name = at.tzname() or "UTC"
    return f"{at:%Y-%m-%d %H:%M} {name if name[0].isalpha() else f'UTC{name}'}"


def _zone(name: str | None) -> datetime.tzinfo:
    if name and len(name) <= _LONGEST:
        try:
            return zoneinfo.ZoneInfo(name)
        except (LookupError, ValueError, OSError):
            pass  # There is none of that name, or this machine has no table of time zones.
    return datetime.timezone.utc
