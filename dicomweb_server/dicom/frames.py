"""Where each frame's bytes lie in a file, kept as a compact string beside the instance.

Numbers of frames count from 1. The index of native pixel data is arithmetic and never grows with the frames.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from array import array
from dataclasses import dataclass
from typing import ClassVar

from dicomweb_server.dicom.jsonmodel import swapped
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.records import Span

_ITEM_HEADER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameIndex(ABC):
    """The frames of one instance."""

    count: int
    deflated: bool = False
    """Places are those in the inflated data set, not in the file (see ``dicom.deflated``)."""
    tag: int = 0x7FE00010
    """The element that holds the pixels (T-11)."""
    video: ClassVar[bool] = False

    @abstractmethod
    def spans(self, number: int) -> tuple[Span, ...]:
        """What to read for one frame, joined in this order. Raises NotFound."""

    def size(self, number: int) -> int:
        """Bytes of the frame as ``take`` gives it. Raises NotFound."""
        return sum(span.length for span in self.spans(number))

    def take(self, number: int, raw: bytes) -> bytes:
        """The frame as it is served as stored, from what the spans gave (T-06 to T-08)."""
        return raw

    @abstractmethod
    def encode(self) -> bytes: ...

    @property
    def encapsulated(self) -> bool:
        return True

    @property
    def exact(self) -> bool:
        """Whether ``take`` gives back what it is given, so that the spans themselves are the frame."""
        return True

    def _check(self, number: int) -> None:
        if not 1 <= number <= self.count:
            raise NotFound(f"there is no frame {number}; the instance has {self.count}")

    @staticmethod
    def decode(data: bytes) -> FrameIndex:
        """The index that ``encode`` wrote."""
        return _DECODERS[data[0]](data)


_NATIVE = struct.Struct("<BBBIQQQI")
_FRAGMENTED = struct.Struct("<BBIII")


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeFrames(FrameIndex):
    """Uncompressed frames, one after the other without padding (PS3.5 8.1.1)."""

    start: int
    frame_bits: int
    available: int
    """Bytes of the whole value, not to be read beyond."""
    word: int = 1
    """Bytes to turn around for little endian (T-07)."""

    @property
    def encapsulated(self) -> bool:
        return False

    @property
    def exact(self) -> bool:
        return self.word == 1 and self.frame_bits % 8 == 0

    @property
    def frame_size(self) -> int:
        return (self.frame_bits + 7) // 8

    def spans(self, number: int) -> tuple[Span, ...]:
        self._check(number)
        first, last, _ = self._place(number)
        return (Span(self.start + first, last - first),)

    def _place(self, number: int) -> tuple[int, int, int]:
        """The bytes to read, in whole words, and the frame's first bit within them."""
        bit = (number - 1) * self.frame_bits
        first = bit // 8 // self.word * self.word
        last = -(-((bit + self.frame_bits + 7) // 8) // self.word) * self.word
        return first, min(last, self.available), bit - first * 8

    def size(self, number: int) -> int:
        self._check(number)
        if self.frame_bits % 8:
            return self.frame_size
        first, last, bit = self._place(number)
        return min(self.frame_size, last - first - bit // 8)

    def take(self, number: int, raw: bytes) -> bytes:
        if self.exact:
            return raw
        if self.word > 1:
            raw = swapped(raw, self.word)
        bit = self._place(number)[2]
        if bit % 8 == 0 and self.frame_bits % 8 == 0:
            return raw[bit // 8 : bit // 8 + self.frame_size]
        # The first pixel is the lowest bit of the first byte, as in a little-endian number (PS3.5 D).
        pixels = (int.from_bytes(raw, "little") >> bit) & ((1 << self.frame_bits) - 1)
        return pixels.to_bytes(self.frame_size, "little")

    def encode(self) -> bytes:
        return _NATIVE.pack(
            1, self.deflated, self.word, self.count, self.start, self.frame_bits, self.available, self.tag
        )

    @classmethod
    def _decode(cls, data: bytes) -> NativeFrames:
        _, deflated, word, count, start, frame_bits, available, tag = _NATIVE.unpack(data)
        return cls(
            count=count,
            deflated=bool(deflated),
            tag=tag,
            start=start,
            frame_bits=frame_bits,
            available=available,
            word=word,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentedFrames(FrameIndex):
    """Encapsulated frames, each the fragments of its own joined (PS3.5 A.4)."""

    firsts: tuple[int, ...] | range
    """For each frame the number of its first fragment, and behind the last frame how many fragments belong to one."""
    starts: array[int]
    lengths: array[int]

    def spans(self, number: int) -> tuple[Span, ...]:
        self._check(number)
        first, end = self.firsts[number - 1], self.firsts[number]
        return tuple([Span(self.starts[place], self.lengths[place]) for place in range(first, end)])

    def size(self, number: int) -> int:
        self._check(number)
        return sum(self.lengths[self.firsts[number - 1] : self.firsts[number]])

    def encode(self) -> bytes:
        simple = isinstance(self.firsts, range)
        # Fragments mostly follow each other with nothing but an item header between.
        dense = all(
            self.starts[n] + self.lengths[n] + _ITEM_HEADER == self.starts[n + 1] for n in range(len(self.starts) - 1)
        )
        flags = self.deflated | simple << 1 | dense << 2
        head = _FRAGMENTED.pack(self._CODE, flags, self.count, len(self.starts), self.tag)
        firsts = b"" if simple else _packed("I", self.firsts)
        return head + firsts + _packed("I", self.lengths) + _packed("Q", self.starts[:1] if dense else self.starts)

    @classmethod
    def _decode(cls, data: bytes) -> FragmentedFrames:
        _, flags, count, fragments, tag = _FRAGMENTED.unpack_from(data)
        at = _FRAGMENTED.size
        firsts: tuple[int, ...] | range = range(count + 1)
        if not flags & 2:
            firsts = tuple(_unpacked("I", data[at : at + 4 * (count + 1)]))
            at += 4 * (count + 1)
        lengths = _unpacked("I", data[at : at + 4 * fragments])
        starts = _unpacked("Q", data[at + 4 * fragments :])
        if flags & 4 and fragments:
            place = starts.pop()
            for length in lengths:
                starts.append(place)
                place += length + _ITEM_HEADER
        return cls(count=count, deflated=bool(flags & 1), tag=tag, firsts=firsts, starts=starts, lengths=lengths)

    _CODE: ClassVar[int] = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoStream(FragmentedFrames):
    """A video: one stream in place of frames, to be had as frame 1 (T-05)."""

    video: ClassVar[bool] = True
    _CODE: ClassVar[int] = 3


_DECODERS = {1: NativeFrames._decode, 2: FragmentedFrames._decode, 3: VideoStream._decode}


def _packed(code: str, numbers: array[int] | tuple[int, ...] | range) -> bytes:
    return struct.pack(f"<{len(numbers)}{code}", *numbers)


def _unpacked(code: str, data: bytes) -> array[int]:
    return array(code, struct.unpack(f"<{len(data) // struct.calcsize('<' + code)}{code}", data))
