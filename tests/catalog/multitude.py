"""A catalog of very many studies, and the time searches take in it.

``python -m tests.catalog.multitude URL [--studies 1000000]``, with the URL of an empty database: ``sqlite:////some/file``
or ``postgresql://…``. The first studies are stored as any other; the rest are copies of their rows under other UIDs,
patients and accession numbers. No files belong to them: they can be searched, and that is all.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import sqlalchemy as sa
from sqlalchemy import Column, Connection
from starlette.requests import Request

from dicomweb_server.catalog.base import NewVersion
from dicomweb_server.catalog.schema import TEXT_COLUMNS, instance, series, study, study_document, study_value
from dicomweb_server.catalog.sql import SqlCatalog, open_catalog
from dicomweb_server.model.query import Level, Query
from dicomweb_server.web import params, search_request
from tests.catalog.making import derived, many, name, new, text

STORED = 2_000
CACHE_KIBIBYTES = 2_000_000
"""For filling: the rows of an index come in no order."""
LARGE = "1.2.9.1"
"""A study of one series of 500 instances."""
FAMILIES = [f"{first}{last}" for first in ("Gar", "Ngu", "Smi", "Oka", "Tan") for last in ("cia", "yen", "th", "for")]
GIVEN = [f"{first}{last}" for first in ("An", "Be", "Cla", "Da") for last in ("na", "rt", "ra", "vid")]
MODALITIES = ["CT"] * 10 + ["MR"] * 6 + ["US"] * 3 + ["MG"]

OHIF = "limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060%2C00080090%2C00100030"
SEARCHES = {
    "newest 101": f"{OHIF}",
    "page 5": f"{OHIF.replace('offset=0', 'offset=404')}",
    "PatientID": f"PatientID=P77&{OHIF}",
    "PatientID, substring": f"PatientID=*77*&{OHIF}",
    "name, prefix": f"PatientName=Garc*&{OHIF}",
    "name, substring as OHIF types it": f"PatientName=*guyen^an*&{OHIF}",
    "name that nobody has": f"PatientName=*nobody*&{OHIF}",
    "name, fuzzy": f"PatientName=Smith&{OHIF}",
    "AccessionNumber": f"AccessionNumber=A77&{OHIF}",
    "AccessionNumber, substring": f"AccessionNumber=*A77*&{OHIF}",
    "StudyDescription": f"StudyDescription=*horax*&{OHIF}",
    "date range": f"StudyDate=20120301-20120328&{OHIF}",
    "rare modality": f"ModalitiesInStudy=MG&{OHIF}",
    "modality and date range": f"ModalitiesInStudy=CT%2CMR&StudyDate=20120301-20120328&{OHIF}",
    "study by UID": f"StudyInstanceUID=1.2.8.77&{OHIF}",
}
"""Of studies, as OHIF's list and links ask."""
BELOW = {"series of a study": Level.SERIES, "instances of a study (500)": Level.INSTANCE}


def fill(catalog: SqlCatalog, studies: int) -> None:
    """At least ``studies`` studies of one image, and the large one."""
    some = random.Random(1)
    for start in range(0, min(STORED, studies), 500):
        catalog.holdings.store([_study(n, some) for n in range(start, min(start + 500, studies))])
    catalog.holdings.store(many(500, LARGE, f"{LARGE}.1"))
    held = min(STORED, studies)
    while held < studies:
        with catalog.database.write(durable=False) as connection:
            _double(connection, str(held), catalog.database.dialect.name)
        held *= 2


def _study(n: int, some: random.Random) -> NewVersion:
    uid = f"1.2.8.{n}"
    return new(
        derived(
            uid,
            f"{uid}.1",
            f"{uid}.1.1",
            x00080020=text("DA", f"{some.randint(2005, 2024)}{some.randint(1, 12):02d}{some.randint(1, 28):02d}"),
            x00080030=text("TM", f"{some.randint(7, 18):02d}{some.randint(0, 59):02d}00"),
            x00080050=text("SH", f"A{n}"),
            x00080060=text("CS", some.choice(MODALITIES)),
            x00100010=name(f"{some.choice(FAMILIES)}^{some.choice(GIVEN)}"),
            x00100020=text("LO", f"P{n * 3 // 4}"),
        )
    )


def _double(connection: Connection, mark: str, dialect: str) -> None:
    """Every row once more, with ids beyond the last and ``mark`` behind what names a study."""
    if dialect == "sqlite":
        connection.exec_driver_sql(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    shift = connection.execute(sa.select(sa.func.max(instance.c.id))).scalar_one()
    for table in (study, study_document, study_value, series, instance):
        copies = sa.select(*(_copied(column, shift, mark) for column in table.columns))
        connection.execute(sa.insert(table).from_select(list(table.columns), copies))
    if dialect == "sqlite":
        columns = ", ".join(TEXT_COLUMNS)
        connection.exec_driver_sql(
            f"INSERT INTO study_text (rowid, {columns}) SELECT id, {columns} FROM study WHERE id > {shift}"
        )


def _copied(column: Column[object], shift: int, mark: str) -> sa.ColumnElement[object]:
    if column.name in ("id", "study_id", "series_id") and isinstance(column.type, sa.Integer | sa.BigInteger):
        return column + shift
    if column.name.endswith("_uid") or column.name in ("patient_id_text", "accession_number"):
        return column + f".{mark}"
    return column


def queries() -> dict[str, Query]:
    """What viewers ask, by name."""
    rules = search_request.SearchRules()
    found = {
        title: search_request.asked(_parameters(query), rules, level=Level.STUDY).query
        for title, query in SEARCHES.items()
    }
    for title, level in BELOW.items():
        found[title] = Query(level, study=LARGE, limit=1000, relational=level is Level.INSTANCE)
    return found


def _parameters(query: str) -> tuple[params.Parameter, ...]:
    return params.parameters(Request({"type": "http", "query_string": query.encode(), "headers": []}))


def took(work: Callable[[], object], times: int = 15) -> tuple[float, float]:
    """Milliseconds of CPU and of the clock, each the median."""
    cpu, clock = [], []
    for _ in range(times):
        begun = time.thread_time(), time.perf_counter()
        work()
        cpu.append(time.thread_time() - begun[0])
        clock.append(time.perf_counter() - begun[1])
    return statistics.median(cpu) * 1e3, statistics.median(clock) * 1e3


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.catalog.multitude", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--studies", type=int, default=1_000_000)
    asked = parser.parse_args(arguments)
    catalog = open_catalog(asked.url)
    with catalog.database.read() as connection:
        empty = connection.execute(sa.select(study.c.id).limit(1)).first() is None
    if empty:
        begun = time.perf_counter()
        fill(catalog, asked.studies)
        print(f"filled in {time.perf_counter() - begun:.0f} s")
    print("CPU ms, clock ms, matches")
    for title, query in queries().items():
        matches = len(catalog.search.find(query).matches)
        cpu, clock = took(partial(catalog.search.find, query))
        print(f"{cpu:8.2f} {clock:8.2f} {matches:5} {title}")
    catalog.close()


if __name__ == "__main__":
    main()
