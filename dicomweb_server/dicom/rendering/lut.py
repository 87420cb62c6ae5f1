"""Lookup tables with a descriptor of entries, first value and bits (PS3.3 C.11.1.1.1, C.11.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Reals


@dataclass(frozen=True, slots=True)
class Lut:
    first: int
    table: NDArray[np.float32]
    bits: int

    def __call__(self, values: Reals) -> Reals:
        """Look values up; those outside take the first or last entry."""
        finite = np.nan_to_num(values, nan=float(self.first))
        places = np.clip(np.rint(finite) - self.first, 0, len(self.table) - 1)
        found: Reals = self.table[places.astype(np.intp)]
        return found

    @property
    def top(self) -> float:
        """The largest value an entry of so many bits can have."""
        return float((1 << self.bits) - 1)


def lut_of(item: Attributes, *, signed: bool = False) -> Lut | None:
    """The table of a Modality or VOI LUT item; None where it is not usable.

    ``signed``: values looked up may be below 0, and so may the first value whatever representation it is written in.
    """
    descriptor = [int(n) for n in item.numbers("00283002")]
    data = item.binary("00283006")
    if len(descriptor) != 3 or not data:
        return None
    entries, first, bits = descriptor
    found = entries_of(data, entries or 65536)
    if not len(found):
        return None
    # Some writers give the bits in use, some 16 for data of fewer: what the entries reach decides
    return Lut(
        signed_16(first) if signed else first,
        found.astype(np.float32),
        min(max(bits, int(found.max()).bit_length(), 1), 16),
    )


def signed_16(value: int) -> int:
    """A value of 16 bits as the signed number that its bits are."""
    return value - (1 << 16) if 1 << 15 <= value < 1 << 16 else value


def entries_of(data: bytes, entries: int) -> NDArray[np.uint16]:
    """Entries of 16 bits, or of 8 where the data is only half as long as 16 bits would need."""
    if len(data) < entries * 2 and len(data) >= entries:
        return np.frombuffer(data, np.uint8, entries).astype(np.uint16)
    return np.frombuffer(data[: len(data) // 2 * 2], "<u2")[:entries].astype(np.uint16)
