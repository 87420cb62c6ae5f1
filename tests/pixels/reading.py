"""Frames and metadata of corpus files as pydicom reads them, so that nothing comes from our own reader."""

from __future__ import annotations

import warnings

import numpy as np
import pydicom
from pydicom import config
from pydicom.encaps import generate_frames

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.facts import ImageFacts, image_facts
from dicomweb_server.dicom.pixels.families import Family, family
from dicomweb_server.dicom.syntaxes import ENCAPSULATED_UNCOMPRESSED
from tests import corpus

_KEYWORDS = {"7FE00010": "PixelData", "7FE00008": "FloatPixelData", "7FE00009": "DoubleFloatPixelData"}


def dataset(name: str) -> pydicom.Dataset:
    config.settings.reading_validation_mode = config.IGNORE
    return pydicom.dcmread(corpus.path(name), force=True)


def attributes(ds: pydicom.Dataset) -> Attributes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Attributes(ds.to_json_dict(suppress_invalid_tags=True))


def facts_of(ds: pydicom.Dataset) -> ImageFacts:
    return image_facts(attributes(ds), str(ds.file_meta.TransferSyntaxUID))


def frames_of(ds: pydicom.Dataset, facts: ImageFacts) -> list[bytes]:
    count = int(ds.get("NumberOfFrames") or 1)
    pixels = bytes(ds[_KEYWORDS[facts.element.value]].value)
    if family(facts.transfer_syntax) is not Family.NATIVE or facts.transfer_syntax == ENCAPSULATED_UNCOMPRESSED:
        extended = {}
        if "ExtendedOffsetTable" in ds:
            extended["extended_offsets"] = (ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths)
        return list(generate_frames(pixels, number_of_frames=count, **extended))
    if not ds.original_encoding[1] and ds[_KEYWORDS[facts.element.value]].VR != "OB":
        pixels = np.frombuffer(pixels, f">u{max(2, facts.cell_bits // 8)}").byteswap().tobytes()
    if facts.cell_bits == 1:
        bits = np.unpackbits(np.frombuffer(pixels, np.uint8), bitorder="little")
        size = facts.pixels
        return [np.packbits(bits[n * size : (n + 1) * size], bitorder="little").tobytes() for n in range(count)]
    size = facts.pixels * 2 if facts.subsampled else facts.frame_size
    return [pixels[n * size : (n + 1) * size] for n in range(count)]
