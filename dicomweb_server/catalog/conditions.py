"""A matching key on an indexed column as a SQL condition (PS3.4 C.2.2.2, Q-07 to Q-15).

The condition depends on the key's form only, its values are bound parameters: so a statement is built and compiled once
for each form of query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, bindparam

from dicomweb_server.catalog import folding, spelling
from dicomweb_server.catalog.attributes import INDEXED, REQUIRED_KEYS, Indexed, Sort
from dicomweb_server.catalog.dialects import Dialect
from dicomweb_server.catalog.schema import NO_NUMBER, instance, series, study, study_value
from dicomweb_server.model.query import DateTimeRange, Key, Level, Match

AVAILABILITY_TAG = 0x00080056
WORDS = ("ONLINE", "NEARLINE")
"""What Instance Availability says here."""

TABLES = {Level.STUDY: study, Level.SERIES: series, Level.INSTANCE: instance}
SHORTEST_RUN = 3
"""Characters a trigram index needs."""

MOST_RUNS = 8

_NAME_FORMS = ("{}", "{}=*", "*={}", "*={}=*")
"""A pattern for one group of a name, wherever that group stands in the column."""
_NO_STORED_NUMBER = -NO_NUMBER
"""What a column of 32 bits can hold and none does: equal to nothing, as is a number beyond its range."""

_OPEN_END = "\U0010ffff"

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """What a statement depends on of a key: its column, kind of match, and how many values of which openness."""

    tag: int
    match: Match
    shape: tuple[str, ...]
    or_empty: bool = False
    """An empty column is as good (PS3.4 C.2.2.1.2)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A date-time interval on the columns of its two tags."""

    date: int
    time: int
    open_first: bool
    open_last: bool
    or_empty: bool = False


def form_of(key: Key, *, or_empty: bool = False) -> Form | None:
    """None when no column answers this key: it is matched from the stored attributes."""
    if key.path == (AVAILABILITY_TAG,):
        return Form(AVAILABILITY_TAG, key.match, tuple(word for word in WORDS if _names(key, word)))
    indexed = INDEXED.get(key.path[0]) if len(key.path) == 1 else None
    if indexed is None or (key.match is Match.ALL and indexed.sort is not Sort.SET):
        return None
    shape: tuple[str, ...] = ()
    if key.match is Match.RANGE:
        shape = tuple("open" if value == "" else "" for value in key.values)
    elif key.match is Match.WILDCARD and indexed.sort is Sort.NAME:
        shape = _name_forms(str(_comparable(key.values[0], indexed)))
    elif key.match is Match.WILDCARD:
        shape = ("prefix",) if key.values[0][:1] not in ("*", "?") else ("",)
    elif key.match is Match.FUZZY:
        shape = tuple("sound" if word.sound else "" for word in spelling.asked(key.values[0]))
    elif key.match is Match.ALL:
        shape = ("",) * len(key.values)
    return Form(key.path[0], key.match, shape, or_empty and key.path[0] in REQUIRED_KEYS)


def _names(key: Key, word: str) -> bool:
    """Whether a key of Instance Availability takes ``word``; what is not known here has none."""
    if key.match is Match.WILDCARD:
        return fnmatchcase(word, key.values[0].replace("[", "[[]"))
    return key.match is not Match.EMPTY and word in key.values


def availability(form: Form, nearline: ColumnElement[bool]) -> ColumnElement[bool]:
    """The condition on whether some of the target is not here, for a form of Instance Availability."""
    if len(form.shape) == len(WORDS):
        return sa.true()
    return {(): sa.false(), ("NEARLINE",): nearline}.get(form.shape, sa.not_(nearline))


def interval_of(interval: DateTimeRange, *, or_empty: bool = False) -> Interval | None:
    if interval.date not in INDEXED or interval.time not in INDEXED:
        return None
    return Interval(interval.date, interval.time, interval.first is None, interval.last is None, or_empty)


def condition(form: Form, n: int, dialect: Dialect) -> ColumnElement[bool]:
    """The condition of the ``n``-th key; its values are bound as ``k{n}_…``."""
    indexed = INDEXED[form.tag]
    if form.or_empty:
        column = TABLES[indexed.level].c[indexed.column]
        empty = column == (NO_NUMBER if indexed.sort is Sort.NUMBER else "")
        return sa.or_(empty, condition(replace(form, or_empty=False), n, dialect))
    if indexed.sort is Sort.SET:
        return _set_condition(form, n, dialect)
    column = TABLES[indexed.level].c[indexed.column]
    match form.match:
        case Match.EMPTY:
            return column == (NO_NUMBER if indexed.sort is Sort.NUMBER else "")
        case Match.RANGE:
            return _range(column, n, *(end == "open" for end in form.shape))
        case Match.LIST:
            return column.in_(bindparam(f"k{n}", expanding=True))
        case Match.FUZZY:
            return sa.and_(sa.true(), *(_has_word(form.tag, f"k{n}_{w}", sound) for w, sound in enumerate(form.shape)))
        case Match.WILDCARD if indexed.sort is Sort.NAME:
            return _any_form(column, f"k{n}", form.shape, dialect)
        case Match.WILDCARD:
            pattern = dialect.like(column, bindparam(f"k{n}", type_=sa.Text()))
            if form.shape == ("prefix",):
                return sa.and_(column >= bindparam(f"k{n}_from"), column < bindparam(f"k{n}_to"), pattern)
            return pattern
    if indexed.sort is Sort.NAME:
        return _any_form(column, f"k{n}", _NAME_FORMS, dialect)
    if indexed.sort is Sort.TIME:
        return _range(column, n, False, False)
    return column == bindparam(f"k{n}")


def values(key: Key, n: int, dialect: Dialect) -> Values:
    """The values that ``condition`` binds."""
    if key.path == (AVAILABILITY_TAG,):
        return {}
    indexed = INDEXED[key.path[0]]
    given = [_comparable(value, indexed) for value in key.values]
    match key.match:
        case Match.EMPTY:
            return {}
        case Match.RANGE:
            return _range_values(key, n, indexed)
        case Match.LIST:
            return {f"k{n}": given}
        case Match.ALL:
            return {f"k{n}_{i}": value for i, value in enumerate(given)}
        case Match.FUZZY:
            return {
                f"k{n}_{w}_{name}": value
                for w, word in enumerate(spelling.asked(key.values[0]))
                for name, value in (("from", word.first), ("to", word.end), ("sound", word.sound))
                if value
            }
        case Match.WILDCARD if indexed.sort is Sort.NAME:
            return _form_values(f"k{n}", _name_forms(str(given[0])), str(given[0]), dialect)
        case Match.WILDCARD:
            text = str(given[0])
            prefix = re.split(r"[*?]", text, maxsplit=1)[0]
            return {f"k{n}": dialect.pattern(text), f"k{n}_from": prefix, f"k{n}_to": prefix + _OPEN_END}
    if indexed.sort is Sort.NAME:
        return _form_values(f"k{n}", _NAME_FORMS, str(given[0]), dialect)
    if indexed.sort is Sort.TIME:
        text = key.values[0]
        return {f"k{n}_from": folding.time(text), f"k{n}_to": folding.last_time(text)}
    return {f"k{n}": given[0]}


def interval_condition(interval: Interval, n: int) -> ColumnElement[bool]:
    """From the first day's time to the last day's, as one span (Q-07)."""
    date = TABLES[INDEXED[interval.date].level].c[INDEXED[interval.date].column]
    time = TABLES[INDEXED[interval.time].level].c[INDEXED[interval.time].column]
    both: list[ColumnElement[bool]] = [date != ""]
    if not interval.open_first:
        first = bindparam(f"i{n}_from_day", type_=sa.Text())
        both += [date >= first, sa.or_(date > first, time >= bindparam(f"i{n}_from_time", type_=sa.Text()))]
    if not interval.open_last:
        last = bindparam(f"i{n}_to_day", type_=sa.Text())
        both += [date <= last, sa.or_(date < last, time <= bindparam(f"i{n}_to_time", type_=sa.Text()))]
    inside = sa.and_(*both)
    return sa.or_(date == "", inside) if interval.or_empty else inside


def interval_values(interval: DateTimeRange, n: int) -> Values:
    found: Values = {}
    if interval.first is not None:
        found |= {f"i{n}_from_day": interval.first[:8], f"i{n}_from_time": interval.first[8:]}
    if interval.last is not None:
        found |= {f"i{n}_to_day": interval.last[:8], f"i{n}_to_time": interval.last[8:]}
    return found


def runs(key: Key) -> list[str]:
    """The literal pieces of a text key that are long enough for an index of trigrams."""
    indexed = INDEXED[key.path[0]]
    text = folding.folded(key.values[0]) if indexed.sort is Sort.NAME else key.values[0]
    pieces = re.split(r"[*?]", text) if key.match is Match.WILDCARD else [text]
    return [piece[:64] for piece in pieces if len(piece) >= SHORTEST_RUN][:MOST_RUNS]


def _name_forms(pattern: str) -> tuple[str, ...]:
    """Those of ``_NAME_FORMS`` that take anything more: a star at an end of ``pattern`` stands for other groups too."""
    start, end = pattern.startswith("*"), pattern.endswith("*")
    return tuple(
        form for form in _NAME_FORMS if not (start and form.startswith("*")) and not (end and form.endswith("*"))
    )


def _comparable(value: str, indexed: Indexed) -> str | int:
    match indexed.sort:
        case Sort.NAME:
            return folding.column(folding.folded(value))
        case Sort.DATE:
            return folding.date(value)
        case Sort.NUMBER:
            number = int(float(value))
            return number if abs(number) < NO_NUMBER else _NO_STORED_NUMBER
        case _:
            return folding.column(value)


def _range(column: ColumnElement[Any], n: int, open_first: bool, open_last: bool) -> ColumnElement[bool]:
    both: list[ColumnElement[bool]] = [column > "" if open_first else column >= bindparam(f"k{n}_from")]
    if not open_last:
        both.append(column <= bindparam(f"k{n}_to"))
    return sa.and_(*both)


def _range_values(key: Key, n: int, indexed: Indexed) -> Values:
    first, last = key.values
    if indexed.sort is Sort.TIME:
        ends = folding.time(first), folding.last_time(last) if last else ""
    else:
        ends = folding.date(first), folding.date(last)
    found = {f"k{n}_from": ends[0]} if first else {}
    return found | ({f"k{n}_to": ends[1]} if last else {})


def _set_condition(form: Form, n: int, dialect: Dialect) -> ColumnElement[bool]:
    v = study_value.c
    any_value = sa.select(sa.literal(1)).where(v.study_id == study.c.id, v.tag == form.tag)
    match form.match:
        case Match.EMPTY:
            return ~sa.exists(any_value)
        case Match.LIST:
            return sa.exists(any_value.where(v.value.in_(bindparam(f"k{n}", expanding=True))))
        case Match.ALL:
            each = (any_value.where(v.value == bindparam(f"k{n}_{i}")) for i in range(len(form.shape)))
            return sa.and_(*(sa.exists(one) for one in each))
        case Match.WILDCARD:
            return sa.exists(any_value.where(dialect.like(v.value, bindparam(f"k{n}", type_=sa.Text()))))
    return sa.exists(any_value.where(v.value == bindparam(f"k{n}")))


def _has_word(tag: int, name: str, sound: str) -> ColumnElement[bool]:
    v = study_value.c
    begins = sa.and_(v.value >= bindparam(f"{name}_from"), v.value < bindparam(f"{name}_to"))
    either = sa.or_(begins, v.value == bindparam(f"{name}_sound")) if sound else begins
    return sa.exists(sa.select(sa.literal(1)).where(v.study_id == study.c.id, v.tag == tag, either))


def _any_form(column: ColumnElement[str], name: str, forms: tuple[str, ...], dialect: Dialect) -> ColumnElement[bool]:
    return sa.or_(*(dialect.like(column, bindparam(f"{name}_f{f}", type_=sa.Text())) for f in range(len(forms))))


def _form_values(name: str, forms: tuple[str, ...], text: str, dialect: Dialect) -> Values:
    return {f"{name}_f{f}": dialect.pattern(form.format(text)) for f, form in enumerate(forms)}
