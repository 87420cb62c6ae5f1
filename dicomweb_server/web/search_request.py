"""A QIDO-RS request as the query the catalog understands (C-02 to C-05, Q-01 to Q-18, Q-26 to Q-31, Q-40)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from dicomweb_server.model.errors import BadRequest
from dicomweb_server.model.query import Key, Level, Match, Path, Query
from dicomweb_server.web import datetimes, matching, params
from dicomweb_server.web.attributes import Attribute, attribute, with_creator
from dicomweb_server.web.params import Parameter

CONTROLS = frozenset(
    {"limit", "offset", "includefield", "fuzzymatching", "emptyvaluematching", "multiplevaluematching"}
)
_NOT_FOR_SEARCH = frozenset({"accept", "charset"})
"""Parameters that other modules read."""

_TIMEZONE: Path = (0x00080201,)
_CHARACTER_SET: Path = (0x00080005,)
MAX_INCLUDES = 2000


def _system_zone() -> tzinfo:
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None
    return zone


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRules:
    max_results: int = 1000
    """The most matches in one answer; also the default limit (Q-40)."""

    strict: bool = False
    """Refuse parameters that would be ignored (Q-17)."""

    empty_list: bool = False
    """Answer nothing found with an empty list, not 204 (Q-43)."""

    empty_matches_any: bool = False
    """Whether an empty required attribute matches any value (Q-07)."""

    local_zone: tzinfo = field(default_factory=_system_zone)
    """Of stored dates and times that name no zone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, and the names of parameters that have no part in it."""

    query: Query
    ignored: tuple[str, ...] = ()


def asked(
    given: Sequence[Parameter],
    rules: SearchRules,
    *,
    level: Level,
    study: str | None = None,
    series: str | None = None,
    relational: bool = False,
) -> Asked:
    """Raises BadRequest for a repeated key, a value that does not fit, and in strict mode for what is unknown."""
    controls = _controls(given)
    found, ignored = _attributes(given)
    modes = matching.Modes(
        fuzzy=_flag(controls, "fuzzymatching"),
        empty_values=_flag(controls, "emptyvaluematching"),
        multiple_values=_flag(controls, "multiplevaluematching"),
    )
    zone = _zone(found)
    keys = [matching.key(at, parameter, modes) for at, parameter in found if at.path not in (_TIMEZONE, _CHARACTER_SET)]
    keys, creatorless = _with_creators(keys)
    include, include_all, unknown = _includes(given, keys)
    ignored += [*creatorless, *unknown]
    if ignored and rules.strict:
        raise BadRequest(f"not supported: {', '.join(ignored[:10])}")
    plain, intervals = datetimes.combined(keys, zone=zone, local=rules.local_zone)
    in_intervals = {(tag,) for interval in intervals for tag in (interval.date, interval.time)}
    limit = params.unsigned(controls["limit"]) if "limit" in controls else rules.max_results
    query = Query(
        level=level,
        study=study,
        series=series,
        keys=plain,
        intervals=intervals,
        include=frozenset(include | in_intervals),
        include_all=include_all,
        limit=min(limit, rules.max_results),
        offset=params.unsigned(controls["offset"]) if "offset" in controls else 0,
        relational=relational,
        empty_matches_any=rules.empty_matches_any,
    )
    return Asked(query, tuple(dict.fromkeys(ignored)))


def _controls(given: Iterable[Parameter]) -> dict[str, Parameter]:
    controls: dict[str, Parameter] = {}
    for parameter in given:
        if parameter.name in CONTROLS and parameter.name != "includefield":
            if parameter.name in controls:
                raise BadRequest(f"{parameter.name} is given more than once")
            controls[parameter.name] = parameter
    return controls


def _flag(controls: dict[str, Parameter], name: str) -> bool:
    return name in controls and params.boolean(controls[name])


def _attributes(given: Iterable[Parameter]) -> tuple[list[tuple[Attribute, Parameter]], list[str]]:
    """The parameters that name attributes, and the names of those that name nothing known (Q-17)."""
    found: dict[Path, tuple[Attribute, Parameter]] = {}
    ignored = []
    for parameter in given:
        if parameter.name in CONTROLS or parameter.name in _NOT_FOR_SEARCH:
            continue
        known = attribute(parameter.name)
        if known is None:
            ignored.append(parameter.name)
        elif known.path in found:
            raise BadRequest(f"{parameter.name[:80]} is given more than once")
        else:
            found[known.path] = known, parameter
    return list(_by_creator(found).values()), ignored


def _by_creator(found: dict[Path, tuple[Attribute, Parameter]]) -> dict[Path, tuple[Attribute, Parameter]]:
    """Private attributes with the VR their creator's dictionary gives them."""
    named = {}
    for path, (at, parameter) in found.items():
        creators = [found[creator][1].text.strip() for creator in at.creators if creator in found]
        named[path] = (with_creator(at, creators[-1]) if creators else at), parameter
    return named


def _zone(found: Iterable[tuple[Attribute, Parameter]]) -> tzinfo | None:
    """Of the dates and times in this request; itself never a key (Q-10)."""
    texts = [parameter.value for at, parameter in found if at.path == _TIMEZONE]
    return datetimes.offset(texts[0]) if texts and texts[0] else None


def _with_creators(keys: Sequence[Key]) -> tuple[list[Key], list[str]]:
    """``keys`` without the private ones whose creator key is missing (Q-11), and those."""
    creators = _creators(keys)
    kept, dropped = [], []
    for key in keys:
        if set(Attribute(key.path, key.vr).creators) <= creators:
            kept.append(key)
        else:
            dropped.append(_spelled(key.path))
    return kept, dropped


def _creators(keys: Iterable[Key]) -> set[Path]:
    return {key.path for key in keys if key.match is Match.SINGLE and key.path[-1] >> 16 & 1}


def _includes(given: Iterable[Parameter], keys: Sequence[Key]) -> tuple[set[Path], bool, list[str]]:
    """Paths to return, whether all are, and names nobody knows: those are no error, viewers ask widely (Q-26)."""
    names = [
        name
        for parameter in given
        if parameter.name == "includefield"
        for name in (member.strip() for member in matching.listed(parameter.value))
        if name
    ]
    if len(names) > MAX_INCLUDES:
        raise BadRequest(f"includefield names more than {MAX_INCLUDES} attributes")
    creators = _creators(keys)
    paths, unknown = set(), []
    for name in names:
        if name == "all":
            continue
        found = attribute(name)
        if found is None or not set(found.creators) <= creators:
            unknown.append(name)
        else:
            paths.add(found.path)
    return paths, "all" in names, unknown


def _spelled(path: Path) -> str:
    return ".".join(f"{tag:08X}" for tag in path)
