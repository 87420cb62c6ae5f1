"""What our own reader takes out of a file decodes to the same as what pydicom takes out of it."""

from __future__ import annotations

import numpy as np
import pytest

from dicomweb_server.dicom.pixels.decode import decode
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.dicom.stored import stored
from tests import corpus
from tests.pixels.reading import dataset, facts_of, frames_of


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in corpus.names(
            "generated/ts/", "generated/mod/", "real/pydicom/SC_rgb_small_odd", "real/pydicom-data/"
        )
        if corpus.expected()[name].get("frames_sha256")
    ],
)
def test_both_readers_lead_to_the_same_cells(name: str) -> None:
    ours = stored(BytesSource(corpus.file(name)))
    ds = dataset(name)
    theirs = facts_of(ds)
    for number, frame in enumerate(frames_of(ds, theirs)[:5], start=1):
        data, subject = ours.frame(number)
        assert subject.facts == theirs
        assert np.array_equal(decode(data, theirs).cells, decode(frame, theirs).cells, equal_nan=True)
