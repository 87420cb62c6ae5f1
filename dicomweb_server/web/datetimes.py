"""Dates and times of a query: pairs become one interval, and a named time zone is converted (Q-07, Q-10)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone, tzinfo

from dicomweb_server.model.errors import BadRequest
from dicomweb_server.model.query import DateTimeRange, Key, Match

PAIRS = {
    0x00080012: 0x00080013,  # Instance Creation
    0x00080020: 0x00080030,  # Study
    0x00080021: 0x00080031,  # Series
    0x00080022: 0x00080032,  # Acquisition
    0x00080023: 0x00080033,  # Content
    0x00400002: 0x00400003,  # Scheduled Procedure Step Start
    0x00400004: 0x00400005,  # Scheduled Procedure Step End
    0x00400244: 0x00400245,  # Performed Procedure Step Start
    0x00400250: 0x00400251,  # Performed Procedure Step End
}
"""Date attributes and the time that goes with each. A birth date is no point in time and stays as it is."""

_STAMP = "%Y%m%d%H%M%S.%f"
_OFFSET = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)")


def offset(text: str) -> timezone:
    """The zone of ``±HHMM``; a space for the sign is a plus that a form swallowed (C-05). Raises BadRequest."""
    found = _OFFSET.fullmatch("+" + text[1:] if text.startswith(" ") else text)
    if found is None:
        raise BadRequest("TimezoneOffsetFromUTC is +HHMM or -HHMM")
    minutes = int(found[2]) * 60 + int(found[3])
    return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))


def combined(
    keys: Iterable[Key], *, zone: tzinfo | None, local: tzinfo
) -> tuple[tuple[Key, ...], tuple[DateTimeRange, ...]]:
    """Take date keys and their time keys together where they mean one interval.

    Without ``zone`` that is so when both are ranges (PS3.18 8.3.4.1.1). With it every date is a span of hours in that
    zone, and another one in ``local``, the zone of stored values that name none.
    """
    left = {key.path: key for key in keys}
    intervals = []
    for date_tag, time_tag in PAIRS.items():
        date, time = left.get((date_tag,)), left.get((time_tag,))
        if date is None or date.match not in (Match.SINGLE, Match.RANGE):
            continue
        time = time if time is not None and time.match in (Match.SINGLE, Match.RANGE) else None
        both_ranges = date.match is Match.RANGE and time is not None and time.match is Match.RANGE
        if zone is None and not both_ranges:
            continue
        intervals.append(_interval(date, time, zone, local))
        del left[date.path]
        if time is not None:
            del left[time.path]
    rest = left.values() if zone is None else (_moved(key, zone, local) for key in left.values())
    return tuple(rest), tuple(intervals)


def _interval(date: Key, time: Key | None, zone: tzinfo | None, local: tzinfo) -> DateTimeRange:
    first_day, last_day = _ends(date)
    first_time, last_time = _ends(time) if time is not None else ("", "")
    first = _stamp(first_day, _earliest(first_time), zone, local) if first_day else None
    last = _stamp(last_day, _latest(last_time), zone, local) if last_day else None
    return DateTimeRange(date.path[0], time.path[0] if time else PAIRS[date.path[0]], first, last)


def _ends(key: Key) -> tuple[str, str]:
    return (key.values[0], key.values[-1])


def _earliest(time: str) -> str:
    whole, _, fraction = time.partition(".")
    return f"{whole.ljust(6, '0')}.{fraction.ljust(6, '0')}"


def _latest(time: str) -> str:
    """The last moment of what may be given to the hour or minute only: 18 means up to 18:59:59.999999."""
    whole, _, fraction = time.partition(".")
    return f"{whole + '235959'[len(whole) :]}.{fraction.ljust(6, '9')}"


def _stamp(day: str, time: str, zone: tzinfo | None, local: tzinfo) -> str:
    stamp = day + time.replace("60.", "59.")  # a leap second has no name in any clock here
    try:
        moment = datetime.strptime(stamp, _STAMP)
        if zone is not None:
            moment = moment.replace(tzinfo=zone).astimezone(local)
    except (ValueError, OverflowError):
        raise BadRequest(f"no such date: {day}") from None
    return f"{moment.year:04d}{moment:%m%d%H%M%S.%f}"


def _moved(key: Key, zone: tzinfo, local: tzinfo) -> Key:
    """A DT key with its zone written out. A time without a date has no zone to be converted from, and stays."""
    if key.vr != "DT" or key.match not in (Match.SINGLE, Match.RANGE):
        return key
    suffix = f"{datetime.now(zone):%z}"
    return replace(key, values=tuple(_zoned(value, suffix) for value in key.values))


def _zoned(value: str, suffix: str) -> str:
    return value if not value or _OFFSET.search(value) else value + suffix
