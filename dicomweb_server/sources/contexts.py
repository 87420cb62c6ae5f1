"""The presentation contexts a C-GET proposes: of what a series holds, with what may come back unconverted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from pynetdicom import AllStoragePresentationContexts, build_context, build_role
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

CONTEXTS = 127
"""Presentation contexts beside the one of C-GET (D-32)."""

SYNTAXES = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.4.107",
)
"""What we take as it is stored, most usual first; a context each, so that nothing is converted on the way."""

STORAGE = "1.2.840.10008.5.1.4.1.1."
CLASSES = {
    "CT": ("2", "2.1", "7"),
    "MR": ("4", "4.1", "7"),
    "PT": ("128", "130"),
    "US": ("6.1", "3.1", "7", "7.2", "7.4"),
    "CR": ("1", "7"),
    "DX": ("1.1", "1.1.1", "7"),
    "MG": ("1.2", "1.2.1", "13.1.3", "7"),
    "XA": ("12.1", "12.1.1", "7"),
    "RF": ("12.2", "12.2.1", "7"),
    "NM": ("20",),
    "SEG": ("66.4", "66.7"),
    "SR": ("88.11", "88.22", "88.33", "88.34"),
    "KO": ("88.59",),
    "PR": ("11.1", "11.2", "11.3"),
    "SM": ("77.1.6",),
    "RTSTRUCT": ("481.3",),
    "RTDOSE": ("481.2",),
    "RTPLAN": ("481.5", "481.8"),
    "DOC": ("104.1", "104.2"),
    "OT": ("7", "7.1", "7.2", "7.3", "7.4"),
    "SC": ("7", "7.1", "7.2", "7.3", "7.4"),
    "XC": ("77.1.4", "77.1.4.1", "7"),
    "ES": ("77.1.1", "77.1.1.1", "7"),
    "GM": ("77.1.2", "77.1.2.1"),
    "OP": ("77.1.5.1", "77.1.5.2", "7"),
    "OPT": ("77.1.5.4", "7"),
    "ECG": ("9.1.1", "9.1.2"),
    "RTIMAGE": ("481.1",),
    "REG": ("66.1", "66.3"),
    "RWV": ("67",),
}
"""What a series of a modality usually holds, for a PACS that does not say."""


Getting = tuple[list[PresentationContext], list[SCP_SCU_RoleSelectionNegotiation]]
"""What to propose for C-GET: its own context first, and that we take what comes."""


@lru_cache(maxsize=64)
def getting(model: str, classes: tuple[str, ...]) -> Getting:
    """For instances of these SOP classes. The same object each time: it is copied before it is proposed."""
    return _getting(model, storage_contexts(classes))


@lru_cache(maxsize=2)
def getting_anything(model: str) -> Getting:
    """For an instance of any SOP class."""
    return _getting(model, every_context())


def _getting(model: str, contexts: list[PresentationContext]) -> Getting:
    roles = [build_role(context.abstract_syntax, scp_role=True) for context in contexts]
    return [build_context(model), *contexts], roles


def every_context() -> list[PresentationContext]:
    """For an instance of which nothing helps to guess the SOP class: as many classes as fit, a context for each."""
    uids = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
    mostly = list(dict.fromkeys(STORAGE + uid for some in CLASSES.values() for uid in some))
    return [build_context(uid, list(SYNTAXES)) for uid in dict.fromkeys([*mostly, *uids])][:CONTEXTS]


def storage_contexts(classes: Sequence[str]) -> list[PresentationContext]:
    """As many transfer syntaxes for each SOP class as fit beside the context of C-GET (D-32)."""
    each = max(1, CONTEXTS // len(classes))
    return [build_context(uid, syntax) for uid in classes for syntax in SYNTAXES[:each]][:CONTEXTS]


def usual_classes(modality: str) -> list[str]:
    """What to propose where only the modality is known: the most usual of every kind when that tells nothing."""
    usual = CLASSES.get(modality) or tuple(uid for some in CLASSES.values() for uid in some[:1])
    return [STORAGE + uid for uid in usual]
