"""The values behind BulkDataURIs (W-40 to W-48)."""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb_server.dicom import charset
from dicomweb_server.dicom.elements import DataSet, Element, Fragments, find
from dicomweb_server.dicom.framing import BITS, number_of, pixel_word
from dicomweb_server.dicom.identity import text_of
from dicomweb_server.dicom.jsonmodel import WORD, swapped
from dicomweb_server.dicom.reading import opened
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.syntaxes import OCTET_STREAM
from dicomweb_server.dicom.tags import PIXEL_TAGS, SPECIFIC_CHARACTER_SET
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.records import Span

DOCUMENT, DOCUMENT_TYPE, DOCUMENT_LENGTH = 0x00420011, 0x00420012, 0x00420015
_TEXT = frozenset({"LT", "ST", "UC", "UT"})


@dataclass(frozen=True, slots=True)
class BulkValue:
    """Where the bytes of one value lie and what they are."""

    vr: str
    spans: tuple[Span, ...]
    """To be joined in this order; several for encapsulated pixel data."""
    word: int = 1
    """Bytes of a word to turn around for little endian."""
    deflated: bool = False
    """The places are those in the inflated data set."""
    encapsulated: bool = False
    media_type: str = OCTET_STREAM
    """That of an encapsulated document, or of encapsulated pixel data."""
    codec: str | None = None
    """Of text, to be sent as UTF-8 (W-43)."""

    @property
    def exact(self) -> bool:
        """Whether the spans themselves are the value as it is sent."""
        return self.word == 1 and self.codec is None and not self.deflated

    @property
    def size(self) -> int:
        return sum(span.length for span in self.spans)


def locate(source: Source, path: tuple[int, ...]) -> BulkValue:
    """Find the value of ``path``: tag, or tag, number of the item from 1, tag, and so on. Raises NotFound."""
    if len(path) % 2 == 0:
        raise NotFound("no such attribute")
    file = opened(source)
    walked = file.walk()
    siblings = walked.elements
    little = walked.little_endian
    codec = charset.DEFAULT
    for tag, number in zip(path[:-1:2], path[1::2], strict=True):
        codec = _codec(siblings, codec)
        sequence = find(siblings, tag)
        items = sequence.value if sequence is not None else None
        if sequence is None or not isinstance(items, list) or not 1 <= number <= len(items):
            raise NotFound("no such attribute")
        little = little or sequence.vr == "UN"
        siblings = items[number - 1]
    element = find(siblings, path[-1])
    if element is None or isinstance(element.value, list):
        raise NotFound("no such attribute")
    codec = _codec(siblings, codec)
    if isinstance(element.value, Fragments):
        spans = tuple(Span(start, length) for start, length in element.value.places)
        return BulkValue(
            "OB", spans, deflated=file.syntax.deflated, encapsulated=True, media_type=file.syntax.media_type
        )
    word = 1 if little else WORD.get(element.vr, 1)
    if element.tag in PIXEL_TAGS and (word > 1 or file.syntax.pixels_swapped):
        facts = {sibling.tag: sibling for sibling in siblings}
        word = pixel_word(element.vr, number_of(walked, facts, BITS))
    return BulkValue(
        element.vr,
        (Span(element.start, _true_length(element, siblings, little=little)),),
        word=word,
        deflated=file.syntax.deflated,
        media_type=_media_type(element, siblings),
        codec=codec if element.vr in _TEXT else None,
    )


def read_value(source: Source, value: BulkValue) -> bytes:
    """The value in little endian, text as UTF-8 without padding (W-43)."""
    stream = opened(source).stream if value.deflated else source
    raw = b"".join(stream.read(span.start, span.length) for span in value.spans)
    if value.codec is not None:
        return charset.decode(raw, value.codec).rstrip(" \0").encode()
    return swapped(raw, value.word)


def _codec(siblings: DataSet, outer: str) -> str:
    element = find(siblings, SPECIFIC_CHARACTER_SET)
    if element is None or not isinstance(element.value, bytes) or not element.value:
        return outer
    return charset.charset_of(element.value)


def _true_length(element: Element, siblings: DataSet, *, little: bool) -> int:
    """Without the byte that pads an encapsulated document (W-44)."""
    told = find(siblings, DOCUMENT_LENGTH)
    if element.tag != DOCUMENT or told is None or not isinstance(told.value, bytes) or len(told.value) != 4:
        return element.length
    length = int.from_bytes(told.value, "little" if little else "big")
    return length if 0 <= element.length - length <= 1 else element.length


def _media_type(element: Element, siblings: DataSet) -> str:
    return (element.tag == DOCUMENT and text_of(siblings, DOCUMENT_TYPE)) or OCTET_STREAM
