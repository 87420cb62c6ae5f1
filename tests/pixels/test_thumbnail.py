"""Small pictures: fast, honest, and never with burned-in text."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.families import family
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.dicom.rendering.render import drawn
from dicomweb_server.dicom.rendering.request import Rendering, Viewport
from dicomweb_server.dicom.thumbnail import block_means, icon_of, thumbnail
from dicomweb_server.model.errors import Undecodable
from tests import corpus
from tests.pixels.reading import attributes, dataset, facts_of, frames_of


def _drawable(name: str) -> bool:
    facts = corpus.expected()[name]
    return bool(facts.get("frames_sha256")) and family(facts.get("ts", "")) is not None and "/odd/" not in name


@pytest.mark.parametrize("name", [name for name in corpus.names("generated/", "real/") if _drawable(name)])
def test_every_image_has_a_thumbnail_that_looks_like_it(name: str) -> None:
    ds = dataset(name)
    facts = facts_of(ds)
    data = frames_of(ds, facts)[0]
    subject = Subject(facts, attributes(ds))
    try:
        small = Image.open(io.BytesIO(thumbnail(data, subject)))
    except Undecodable:
        assert corpus.generated().get(name, {}).get("odd")
        return
    assert max(small.size) <= max(128, 2 * min(facts.rows, facts.columns))
    if max(small.size) <= 128:
        large = drawn(data, subject, Rendering(viewport=Viewport(*small.size))).convert("L").resize(small.size)
        difference = np.abs(np.asarray(large, int) - np.asarray(small.convert("L"), int))
        assert difference.mean() < 24


@pytest.mark.parametrize("said", ["BurnedInAnnotation", "RecognizableVisualFeatures"])
def test_what_identifies_the_patient_is_never_drawn(said: str) -> None:
    ds = dataset("generated/ts/ct_evle.dcm")
    setattr(ds, said, "YES")
    facts = facts_of(ds)
    shown = thumbnail(frames_of(ds, facts)[0], Subject(facts, attributes(ds)))
    assert shown == icon_of(Attributes({"00080060": {"vr": "CS", "Value": ["CT"]}}))


@pytest.mark.parametrize(
    ("sop_class", "said", "width"),
    [
        ("1.2.840.10008.5.1.4.1.1.6.1", "", 128),
        ("1.2.840.10008.5.1.4.1.1.7", "", 128),
        ("1.2.840.10008.5.1.4.1.1.6.1", "NO", 144),
        ("1.2.840.10008.5.1.4.1.1.2", "", 144),
    ],
)
def test_text_that_may_be_in_a_picture_is_never_legible(sop_class: str, said: str, width: int) -> None:
    """R-21: 144 x 120 pixels, of which 512 were asked for"""
    ds = dataset("generated/ts/ct_evle.dcm")
    ds.SOPClassUID, ds.BurnedInAnnotation = sop_class, said
    facts = facts_of(ds)
    shown = thumbnail(frames_of(ds, facts)[0], Subject(facts, attributes(ds)), side=512)
    assert Image.open(io.BytesIO(shown)).width == width


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ({"PixelSpacing": [0.5, 0.5]}, (128, 107)),
        ({"PixelSpacing": [0.25, 0.5]}, (128, 53)),
        ({"PixelAspectRatio": [1, 2]}, (128, 53)),
        ({"PixelSpacing": [0, 0.5]}, (128, 107)),
    ],
)
def test_pixels_that_are_not_square_do_not_distort(said: dict[str, list[float]], size: tuple[int, int]) -> None:
    """144 x 120 pixels"""
    ds = dataset("generated/ts/ct_evle.dcm")
    ds.pop("PixelSpacing", None)
    for keyword, value in said.items():
        setattr(ds, keyword, value)
    facts = facts_of(ds)
    data, subject = frames_of(ds, facts)[0], Subject(facts, attributes(ds))
    assert Image.open(io.BytesIO(thumbnail(data, subject))).size == size
    assert drawn(data, subject, Rendering(viewport=Viewport(128, 128))).size == size
    assert drawn(data, subject, Rendering()).size == (144, 120)


@pytest.mark.parametrize("modality", ["SR", "RTSTRUCT", "", "<b>", "X" * 400])
def test_whatever_has_no_picture_has_an_icon(modality: str) -> None:
    shown = icon_of(Attributes({"00080060": {"vr": "CS", "Value": [modality]}}), side=64)
    with Image.open(io.BytesIO(shown)) as image:
        assert (image.format, image.size) == ("JPEG", (64, 64))


def test_blocks_become_their_means() -> None:
    cells = np.array([[-4, 4, 9], [8, 0, 9], [7, 7, 7]], np.int16)
    assert block_means(cells, 2, 2).tolist() == [[2]]
    assert block_means(cells, 1, 3).tolist() == [[3], [5], [7]]
    assert block_means(cells.astype(np.float32), 2, 2).tolist() == [[2.0]]
