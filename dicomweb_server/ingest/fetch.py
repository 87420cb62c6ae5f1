"""Bring announced instances here: the stage for ``Kind.FETCH``.

Rows are claimed by compare-and-set, so many tickets for one instance end in one retrieval. What arrives goes the way
of every arrival, through receive; what does not is failed by name and comes back by the worker's policy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.ingest.receive import Receive
from dicomweb_server.model.errors import BackendFailed, DicomwebError, NotFound, OutOfResources
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey
from dicomweb_server.model.messages import Ticket
from dicomweb_server.model.records import Door, Origin, Outcome
from dicomweb_server.model.results import DONE, Again, Failed, Result
from dicomweb_server.model.states import State
from dicomweb_server.signals.base import CHANGED, Signals
from dicomweb_server.sources.base import Source

ELSEWHERE_SECONDS = 2.0
"""Another worker is at it: look then whether it came."""
LAST_STORE_SECONDS = 10.0
"""How long after the end of a C-MOVE its last C-STORE may come (PS3.4 C.4.2 says nothing of their order)."""


@dataclass(frozen=True, slots=True)
class Fetch:
    catalog: Catalog
    receive: Receive
    sources: Mapping[str, Source]
    signals: Signals
    attempts: int = 5
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, tickets: Sequence[Ticket]) -> list[Result]:
        keys = [ticket.key for ticket in tickets if isinstance(ticket.key, InstanceKey)]
        claimed = self.catalog.pulling.claim(keys)
        results: dict[Scope, Result] = {}
        mine = [(source, key.of_series, key) for key, source in claimed.items() if source is not None]
        for (name, series), some in groupby(mine, key=lambda each: each[:2]):
            results |= self._series(name, series, [key for _, _, key in some])
        results.update({key: Again(ELSEWHERE_SECONDS) for key, source in claimed.items() if source is None})
        return [results.get(ticket.key, DONE) for ticket in tickets]

    def _series(self, name: str, series: SeriesKey, keys: list[InstanceKey]) -> dict[Scope, Result]:
        source = self.sources.get(name)
        if source is None:
            error = BackendFailed(f"there is no source {name} in the settings")
            return {key: self._failed(key, error) for key in keys}
        results: dict[Scope, Result] = {}
        coming: dict[InstanceKey, Future[Outcome]] = {}
        pushed: list[InstanceKey] = []
        for fetched in source.fetch(keys, self.receive.stage):
            if fetched.error is not None:
                results[fetched.key] = self._failed(fetched.key, fetched.error)
            elif fetched.staged is None:
                pushed.append(fetched.key)
            else:
                origin = Origin(Door.FETCH, source=name)
                coming[fetched.key] = self.receive.submit(fetched.staged, origin, study=series.study)
        results.update({key: self._settled(key, future) for key, future in coming.items()})
        results.update(self._by_rows(pushed))
        return results

    def _settled(self, key: InstanceKey, future: Future[Outcome]) -> Result:
        try:
            outcome = future.result()
        except DicomwebError as error:
            return self._failed(key, error)
        if outcome.key != key:
            return self._failed(key, NotFound("the source sent another instance than asked for"))
        self.signals.announce(CHANGED, f"{key.study}/{key.series}/{key.instance}")
        return DONE

    def _by_rows(self, keys: list[InstanceKey]) -> dict[Scope, Result]:
        """C-MOVE brings them by another door: the rows tell."""
        waited, step = 0.0, 0.02
        missing = set(keys)
        while missing:
            missing -= set(self.catalog.holdings.current(list(missing)))
            if not missing or waited >= LAST_STORE_SECONDS:
                break
            self.sleep(step)
            waited += step
            step = min(step * 1.5, 0.5)
        late = BackendFailed("the source said it was sent, and it did not come", passing=True)
        return {key: self._failed(key, late) if key in missing else DONE for key in keys}

    def _failed(self, key: InstanceKey, error: DicomwebError) -> Result:
        if isinstance(error, OutOfResources):
            self.catalog.pulling.put_off(key, reason=str(error))
            return Failed(error)
        passing = isinstance(error, BackendFailed) and error.passing
        state = self.catalog.pulling.failed(key, reason=str(error), final=not passing, attempts=self.attempts)
        self.signals.announce(CHANGED, f"{key.study}/{key.series}/{key.instance}")
        return DONE if state is None else Failed(error, final=state is State.FAILED)
