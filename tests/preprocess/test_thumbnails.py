"""Stored instances get their picture and become ready, whatever their pixels are like."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from dicomweb_server.assembly import Backends, open_backends, open_receive
from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.records import Door, Origin
from dicomweb_server.model.results import DONE, Done, Failed
from dicomweb_server.objects import layout
from dicomweb_server.pool.processes import ProcessPool
from dicomweb_server.preprocess.thumbnails import Preprocess
from dicomweb_server.settings import Settings, Storage
from tests.corpus import path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(storage=Storage(data=str(tmp_path)))


@pytest.fixture
def backends(settings: Settings) -> Iterator[Backends]:
    with open_backends(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    made = ProcessPool(processes=1, seconds=20)
    yield made
    made.close()


def stored(settings: Settings, backends: Backends, *names: str) -> list[InstanceKey]:
    with open_receive(settings, backends) as receive:
        keys = []
        for name in names:
            staged = receive.stage()
            shutil.copyfile(path(name), staged)
            keys.append(receive.submit(staged, Origin(Door.IMPORT)).result().key)
    return keys


def tickets(keys: Sequence[InstanceKey]) -> list[Ticket]:
    return [Ticket(Kind.PREPROCESS, key) for key in keys]


def picture(backends: Backends, key: InstanceKey) -> Image.Image:
    version = backends.catalog.holdings.version(key)
    local = backends.objects.local(layout.thumbnail(key, version.version))
    assert local is not None
    return Image.open(io.BytesIO(Path(local).read_bytes()))


FILES = (
    "generated/ts/ct_evle.dcm",
    "generated/encap/us_jpeg_bot_1frag.dcm",
    "generated/mod/sr_enhanced.dcm",
    "generated/mod/video_hevc.dcm",
)


def test_every_stored_instance_gets_a_picture_and_is_ready(
    settings: Settings, backends: Backends, pool: ProcessPool
) -> None:
    keys = stored(settings, backends, *FILES)
    assert Preprocess(backends.objects, backends.catalog, pool)(tickets(keys)) == [DONE] * len(FILES)
    assert {picture(backends, key).format for key in keys} == {"JPEG"}
    assert backends.catalog.progress.totals()["ready"] == len(FILES)


def test_doing_it_twice_ends_the_same(settings: Settings, backends: Backends, pool: ProcessPool) -> None:
    keys = stored(settings, backends, FILES[0])
    stage = Preprocess(backends.objects, backends.catalog, pool)
    assert stage(tickets(keys)) == stage(tickets(keys)) == [DONE]
    assert backends.catalog.progress.totals()["ready"] == 1


def test_what_was_deleted_meanwhile_is_done(backends: Backends, pool: ProcessPool) -> None:
    stage = Preprocess(backends.objects, backends.catalog, pool)
    assert stage(tickets([InstanceKey("1.2", "1.2.3", "1.2.3.4")])) == [DONE]


class CrashingPool(ProcessPool):
    """Dies on the one file that ``poison`` names."""

    poison = ""

    def run_blocking(self, work, *args, **kwargs):  # type: ignore[no-untyped-def]
        if self.poison in args[0]:
            return super().run_blocking(os.abort)
        return super().run_blocking(work, *args, **kwargs)


def test_one_that_breaks_the_decoder_fails_alone(settings: Settings, backends: Backends) -> None:
    keys = stored(settings, backends, *FILES)
    pool = CrashingPool(processes=1, seconds=20)
    pool.poison = str(backends.objects.local(backends.catalog.holdings.version(keys[1]).object_key))
    try:
        results = Preprocess(backends.objects, backends.catalog, pool)(tickets(keys))
    finally:
        pool.close()
    assert [type(result) for result in results] == [Done, Failed, Done, Done]
    assert isinstance(results[1], Failed)
    assert isinstance(results[1].error, BackendFailed)
    assert backends.catalog.progress.totals()["ready"] == len(FILES) - 1
