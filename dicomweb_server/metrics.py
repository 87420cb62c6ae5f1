"""What is counted and timed, for Prometheus. Never a UID or a name of a patient: labels have few values.

The processes of one machine count into files of a shared folder (``observe.share_metrics``), so that any of them can
tell for all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from prometheus_client import REGISTRY, CollectorRegistry, Gauge, generate_latest, values
from prometheus_client import Counter as Counter
from prometheus_client import Histogram as Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

RESERVED_BYTES = 1 << 18
"""More than the figures of one process take."""


class _Reserved(MmapedDict):
    """The library's file of figures, with all its blocks from the start.

    The library maps a file of holes: counting into one of them while the disk is full would end the process (SIGBUS).
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            with suppress(OSError), open(filename, "ab") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVED_BYTES)
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]


values.MmapedDict = _Reserved  # type: ignore[attr-defined]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

REQUESTS = Counter("dicomweb_requests", "HTTP requests answered.", ["transaction", "status"])
FIRST_BYTE = Histogram(
    "dicomweb_first_byte_seconds", "From a request to the first byte of its answer.", ["transaction"], buckets=_SECONDS
)
SENT = Counter("dicomweb_sent_bytes", "Bytes of HTTP bodies sent.", ["transaction"])
RECEIVED = Counter("dicomweb_received_instances", "Instances received.", ["door", "fate"])
RECEIVED_BYTES = Counter("dicomweb_received_bytes", "Bytes of the instances received.", ["door"])
LOOKUPS = Counter("dicomweb_cache_lookups", "Instances asked for: here (hit), or at a source first (miss).", ["result"])
ARRIVAL = Histogram(
    "dicomweb_arrival_seconds", "How long a request waited for an instance of a source.", buckets=_SECONDS
)
TICKETS = Counter("dicomweb_tickets", "Tickets worked off.", ["kind", "outcome"])
TICKET_SECONDS = Histogram("dicomweb_ticket_seconds", "Time for one ticket.", ["kind"], buckets=_SECONDS)
SOURCE_CALLS = Counter("dicomweb_source_calls", "What sources were asked.", ["source", "call", "outcome"])
SOURCE_SECONDS = Histogram("dicomweb_source_seconds", "How long a source took.", ["source", "call"], buckets=_SECONDS)
SOURCE_UP = Gauge("dicomweb_source_up", "1 when a source answers.", ["source"], multiprocess_mode="mostrecent")
DISK_FREE = Gauge("dicomweb_disk_free_bytes", "Room left.", ["folder"], multiprocess_mode="mostrecent")
DISK_SIZE = Gauge("dicomweb_disk_size_bytes", "Size of the disk.", ["folder"], multiprocess_mode="mostrecent")

Figure = tuple[str, str, dict[str, str], float]
"""Name, meaning, labels and value of something that is looked up whenever somebody asks."""


class _Looked:
    def __init__(self, look: Callable[[], Iterable[Figure]]) -> None:
        self._look = look

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for name, meaning, labels, value in self._look():
            family = families.setdefault(name, GaugeMetricFamily(name, meaning, labels=tuple(labels)))
            family.add_metric(tuple(labels.values()), value)
        yield from families.values()


def exposition(look: Callable[[], Iterable[Figure]]) -> bytes:
    """Everything counted so far by all processes, and what ``look`` finds now, in the text format of Prometheus."""
    found = CollectorRegistry()
    found.register(_Looked(look))
    if os.environ.get(SHARED_FOLDER):
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        return generate_latest(counted) + generate_latest(found)
    return generate_latest(REGISTRY) + generate_latest(found)
