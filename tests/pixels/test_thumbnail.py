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


def test_burned_in_text_is_never_drawn() -> None:
    ds = dataset("generated/ts/ct_evle.dcm")
    ds.BurnedInAnnotation = "YES"
    facts = facts_of(ds)
    shown = thumbnail(frames_of(ds, facts)[0], Subject(facts, attributes(ds)))
    assert shown == icon_of(Attributes({"00080060": {"vr": "CS", "Value": ["CT"]}}))


@pytest.mark.parametrize("modality", ["SR", "RTSTRUCT", "", "<b>", "X" * 400])
def test_whatever_has_no_picture_has_an_icon(modality: str) -> None:
    shown = icon_of(Attributes({"00080060": {"vr": "CS", "Value": [modality]}}), side=64)
    with Image.open(io.BytesIO(shown)) as image:
        assert (image.format, image.size) == ("JPEG", (64, 64))


def test_blocks_become_their_means() -> None:
    cells = np.array([[-4, 4, 9], [8, 0, 9], [7, 7, 7]], np.int16)
    assert block_means(cells, 2).tolist() == [[2]]
    assert block_means(cells.astype(np.float32), 2).tolist() == [[2.0]]
