"""Finding by attributes (QIDO, C-FIND), and which of them are indexed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dicomweb_server.model.query import Page, Query


class Search(Protocol):
    def find(self, query: Query) -> Page:
        """Matches in stable order (Q-42) with all required and asked-for attributes (Q-20 to Q-29)."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """How far the index of further attributes has come."""

    studies: int
    total: int


class Indexing(Protocol):
    def step(self) -> Indexed | None:
        """Index some more studies; None when all are. Blocks for moments only, and goes on where it was stopped."""
