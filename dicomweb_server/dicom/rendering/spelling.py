"""Names, dates and times as people write them (PS3.5 6.2)."""

from __future__ import annotations


def person(name: str) -> str:
    """``Family^Given^Middle^Prefix^Suffix`` as it is read."""
    family, given, middle, prefix, suffix = (part.strip() for part in (name.split("=")[0].split("^") + [""] * 5)[:5])
    return ", ".join(filter(None, (family, joined(prefix, given, middle), suffix)))


def date(value: str) -> str:
    """``20240229`` with its hyphens; anything else as it is."""
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 and value.isdigit() else value


def time(value: str) -> str:
    """``101112.5`` as hours, minutes and seconds; anything else as it is."""
    whole = value.partition(".")[0]
    pairs = [whole[at : at + 2] for at in range(0, len(whole), 2)]
    return ":".join(pairs) if whole.isdigit() and len(whole) in (4, 6) else value


def moment(value: str) -> str:
    """A date and time, with its offset from UTC where it has one."""
    at = max(value.find("+"), value.find("-"))
    local, offset = (value[:at], value[at:]) if at > 0 else (value, "")
    return joined(date(local[:8]), time(local[8:]), offset)


def joined(*parts: str) -> str:
    """What there is of the parts, with spaces between them."""
    return " ".join(filter(None, parts))
