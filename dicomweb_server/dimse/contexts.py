"""Which presentation contexts are accepted, and in which transfer syntax (D-02, D-04, D-10, D-11)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydicom.uid import UID_dictionary
from pynetdicom.presentation import AllStoragePresentationContexts

from dicomweb_server.dicom.syntaxes import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, SYNTAXES
from dicomweb_server.dimse.proposal import ContextAnswer, Proposal, ProposedContext
from dicomweb_server.model.ids import is_uid

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_SERVICE_CLASS = "1.2.840.10008.4.2"
STANDARD_ROOT = "1.2.840.10008."

UNCOMPRESSED = (EXPLICIT_LE, IMPLICIT_LE, DEFLATED_LE, EXPLICIT_BE)
"""In order of preference: explicit VR loses nothing, and no sender need deflate or swap bytes for us."""
LOSSLESS = frozenset(uid for uid, syntax in SYNTAXES.items() if syntax.encapsulated and not syntax.lossy)
LOSSY = frozenset(uid for uid, syntax in SYNTAXES.items() if syntax.encapsulated and syntax.lossy)
TRANSFER_SYNTAXES = frozenset(UNCOMPRESSED) | LOSSLESS | LOSSY
"""D-11. Neither JPIP, where a URL stands in place of the pixels, nor private ones."""

_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."
_NO_PATIENT = ("1.2.840.10008.5.1.4.1.1.200.", "1.2.840.10008.5.1.4.1.1.201.")
"""Protocols and inventories: they belong to no study, so there is no place for them here."""
_NAMED = {
    uid
    for uid, (_, kind, *_) in UID_dictionary.items()
    if kind == "SOP Class" and uid.startswith(_STORAGE_ROOT) and not uid.startswith(_NO_PATIENT)
}
"""The dictionary has the retired classes too, which archives still send."""
STORAGE_CLASSES = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts) | _NAMED

FULL_STORAGE = bytes((2, 0, 0, 0, 0, 0))
"""Level 2 storage, no coercion (PS3.4 B.3.1, D-15)."""


class Preference(StrEnum):
    """Which of several transfer syntaxes in one context is taken."""

    COMPRESSED = "compressed"
    """The sender's first if that is compressed; else a lossless compressed one; else uncompressed.

    A lossy syntax is taken only where the sender put it first or left no other: choosing it could make the sender throw
    pixels away.
    """
    OFFERED = "offered"
    """The first one that is supported, in the sender's order."""


@dataclass(frozen=True, slots=True)
class ContextRules:
    extra_classes: Collection[str] = ()
    """SOP classes stored beside the standard ones."""
    private_classes: bool = False
    """Store any class outside the standard's root."""
    extra_syntaxes: Collection[str] = ()
    """Transfer syntaxes taken beside the standard ones, stored as they come."""
    preference: Preference = Preference.COMPRESSED

    def answer(self, proposal: Proposal) -> list[ContextAnswer]:
        """One answer for each proposed context, in their order."""
        return [self._answer(context, proposal.service_classes) for context in proposal.contexts]

    def _answer(self, context: ProposedContext, service_classes: dict[str, str]) -> ContextAnswer:
        abstract = context.abstract_syntax
        if abstract == VERIFICATION:
            usable: Collection[str] = UNCOMPRESSED
        elif is_uid(abstract) and self._is_storage(abstract, service_classes):
            usable = TRANSFER_SYNTAXES.union(self.extra_syntaxes)
        else:
            return ContextAnswer(context.id, 3, IMPLICIT_LE)
        chosen = choose([syntax for syntax in context.transfer_syntaxes if syntax in usable], self.preference)
        return ContextAnswer(context.id, 4, IMPLICIT_LE) if chosen is None else ContextAnswer(context.id, 0, chosen)

    def _is_storage(self, abstract: str, service_classes: dict[str, str]) -> bool:
        return (
            abstract in STORAGE_CLASSES
            or abstract in self.extra_classes
            or service_classes.get(abstract) == STORAGE_SERVICE_CLASS
            or (self.private_classes and not abstract.startswith(STANDARD_ROOT))
        )


def choose(offered: Sequence[str], preference: Preference) -> str | None:
    """The transfer syntax to accept among those ``offered`` and supported; None when there is none."""
    if not offered:
        return None
    first = offered[0]
    if preference is Preference.OFFERED or first not in UNCOMPRESSED:
        return first
    lossless = (syntax for syntax in offered if syntax in LOSSLESS)
    uncompressed = (syntax for syntax in UNCOMPRESSED if syntax in offered)
    return next(lossless, None) or next(uncompressed, first)
