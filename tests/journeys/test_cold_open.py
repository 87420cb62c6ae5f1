"""A study that only a source holds opens in OHIF by ordinary DICOMweb requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.cold_open import FRONTS, Front, Phantom, opened_in_ohif, phantom
from tests.phantoms.collection import Shape

SHAPE = Shape(slices=300, size=64, visits=1)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return phantom(tmp_path_factory.mktemp("cold") / "phantom", SHAPE)


@pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS.keys())
def test_a_ct_of_300_slices_opens_cold(held: Phantom, tmp_path: Path, front: Front) -> None:
    with front(tmp_path, held) as server:
        opened = opened_in_ohif(server, held)
    assert opened.failed == []
    assert opened.arrived.count(held.series) == held.slices
