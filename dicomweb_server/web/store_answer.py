"""What became of each instance sent, as the Store Instances Response Module (PS3.18 Annex I, S-08 to S-12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dicomweb_server.model.errors import BackendFailed, DicomwebError, OutOfResources, Rejected
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.records import DicomJson, Fate, Outcome

OUT_OF_RESOURCES = 0xA700
CANNOT_UNDERSTAND = 0xC000
PROCESSING_FAILURE = 0x0110
COERCED = 0xB000
DUPLICATE = 0x0111
"""Another content is here under the same UIDs, and stays (PS3.7 C.5.10)."""

_NOT_TAKEN = frozenset({Fate.KEPT_FIRST, Fate.REFUSED})


@dataclass
class StoreAnswer:
    """Results in the order of the parts, and what they add up to."""

    base: str
    study: str | None
    """From the path of the request."""
    stored: list[Outcome] = field(default_factory=list)
    failed: list[tuple[str | None, str | None, int]] = field(default_factory=list)
    """SOP class, SOP instance, failure reason; without UIDs where none could be read."""
    full: OutOfResources | None = None

    def add(self, result: Outcome | DicomwebError) -> None:
        match result:
            case Outcome(fate=fate) if fate in _NOT_TAKEN:
                self.failed.append((result.sop_class, result.key.instance, DUPLICATE))
            case Outcome():
                self.stored.append(result)
            case Rejected():
                self.failed.append((result.sop_class, result.sop_instance, result.reason))
            case OutOfResources():
                self.full = result
                self.failed.append((None, None, OUT_OF_RESOURCES))
            case BackendFailed(passing=True):
                self.full = OutOfResources(str(result))
                self.failed.append((None, None, PROCESSING_FAILURE))
            case _:
                self.failed.append((None, None, PROCESSING_FAILURE))

    @property
    def status(self) -> int:
        """200 all, 202 some, 409 none though they could be read, 400 none because they could not (S-08)."""
        if self.stored:
            coerced = any(outcome.coerced for outcome in self.stored)
            return 202 if self.failed or coerced else 200
        unreadable = all(reason >= CANNOT_UNDERSTAND for _, _, reason in self.failed)
        return 400 if unreadable else 409

    @property
    def location(self) -> str | None:
        """The study's URL when something new came into one study (S-12)."""
        new = any(outcome.fate in (Fate.STORED, Fate.REPLACED) for outcome in self.stored)
        return self._study_url() if new else None

    @property
    def remarks(self) -> list[str]:
        """For Warning headers: what was taken in though something about it was odd."""
        replaced = sum(outcome.fate is Fate.REPLACED for outcome in self.stored)
        remarks = [f"{replaced} instances replaced earlier content"] if replaced else []
        texts = dict.fromkeys(text for outcome in self.stored for text in outcome.warnings)
        return remarks + [f"stored as sent, though {text}" for text in list(texts)[:5]]

    def dataset(self) -> DicomJson:
        url = self._study_url()
        identified = [failure for failure in self.failed if failure[1]]
        others = [failure for failure in self.failed if not failure[1]]
        dataset: DicomJson = {"00081190": _element("UR", url) if url else {"vr": "UR"}}
        if identified:
            dataset["00081198"] = {"vr": "SQ", "Value": [_failure(*failure) for failure in identified]}
        if self.stored:
            dataset["00081199"] = {"vr": "SQ", "Value": [self._stored(outcome) for outcome in self.stored]}
        if others:
            dataset["0008119A"] = {"vr": "SQ", "Value": [{"00081197": _element("US", other[2])} for other in others]}
        return dataset

    def _study_url(self) -> str | None:
        studies = {outcome.key.study for outcome in self.stored}
        if not studies and self.study is not None:
            studies = {self.study}
        return f"{self.base}/studies/{studies.pop()}" if len(studies) == 1 else None

    def _stored(self, outcome: Outcome) -> DicomJson:
        warning = {"00081196": _element("US", COERCED)} if outcome.coerced else {}
        return {
            "00081150": _element("UI", outcome.sop_class),
            "00081155": _element("UI", outcome.key.instance),
            "00081190": _element("UR", instance_url(self.base, outcome.key)),
            **warning,
        }


def instance_url(base: str, key: InstanceKey) -> str:
    return f"{base}/studies/{key.study}/series/{key.series}/instances/{key.instance}"


def _failure(sop_class: str | None, sop_instance: str | None, reason: int) -> DicomJson:
    return {
        "00081150": _element("UI", sop_class) if sop_class else {"vr": "UI"},
        "00081155": _element("UI", sop_instance),
        "00081197": _element("US", reason),
    }


def _element(vr: str, value: str | int | None) -> DicomJson:
    return {"vr": vr, "Value": [value]}


def of_results(base: str, study: str | None, results: Sequence[Outcome | DicomwebError]) -> StoreAnswer:
    answer = StoreAnswer(base, study)
    for result in results:
        answer.add(result)
    return answer
