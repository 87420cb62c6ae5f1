"""Reading single values out of a data set in the DICOM JSON model, never raising on what hospitals send."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any


def no_bulk(_uri: str) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True)
class Attributes:
    """One data set or item. ``bulk`` finds the bytes behind a BulkDataURI; None where they cannot be had."""

    data: MutableMapping[str, Any]
    bulk: Callable[[str], bytes | None] = no_bulk

    def __contains__(self, tag: str) -> bool:
        return tag in self.data

    def values(self, tag: str) -> list[Any]:
        found = self.data.get(tag)
        values = found.get("Value") if isinstance(found, dict) else None
        return values if isinstance(values, list) else []

    def text(self, tag: str) -> str:
        """The first value as text without padding, or the alphabetic form of a person name; "" where there is none."""
        first = next(iter(self.values(tag)), None)
        if isinstance(first, dict):
            first = first.get("Alphabetic")
        return "" if first is None else str(first).strip(" \0")

    def texts(self, tag: str) -> list[str]:
        return ["" if value is None else str(value).strip(" \0") for value in self.values(tag)]

    def numbers(self, tag: str) -> list[float]:
        """Every value that is a finite number."""
        found = (_number(value) for value in self.values(tag))
        return [value for value in found if value is not None]

    def pairs(self, tag: str) -> list[tuple[float, float]]:
        """Values two by two, as far as both are finite numbers."""
        found = [_number(value) for value in self.values(tag)]
        both = zip(found[::2], found[1::2], strict=False)
        return [(first, second) for first, second in both if first is not None and second is not None]

    def number(self, tag: str) -> float | None:
        return next(iter(self.numbers(tag)), None)

    def whole(self, tag: str, default: int) -> int:
        found = self.number(tag)
        return default if found is None else int(found)

    def items(self, tag: str) -> list[Attributes]:
        return [Attributes(item, self.bulk) for item in self.values(tag) if isinstance(item, dict)]

    def item(self, tag: str) -> Attributes:
        """The first item, or one without attributes."""
        return next(iter(self.items(tag)), Attributes({}, self.bulk))

    def binary(self, tag: str) -> bytes | None:
        """The bytes of a binary element, little endian; of a list of US or SS values their 16-bit form."""
        found = self.data.get(tag)
        if not isinstance(found, dict):
            return None
        if "InlineBinary" in found:
            return _decoded(found["InlineBinary"])
        if "BulkDataURI" in found:
            return self.bulk(str(found["BulkDataURI"]))
        numbers = self.numbers(tag)
        return b"".join((int(n) & 0xFFFF).to_bytes(2, "little") for n in numbers) if numbers else None


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _decoded(text: object) -> bytes | None:
    try:
        return base64.b64decode(str(text), validate=False)
    except (binascii.Error, ValueError):
        return None
