"""The HTJ2K form that a site may keep beside uncompressed images, and who is given it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.dicom import syntaxes
from dicomweb_server.ingest.deletion import Delete
from dicomweb_server.ingest.eviction import Evict
from dicomweb_server.model.ids import SeriesKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.records import Door as DoorKind
from dicomweb_server.model.records import Origin
from dicomweb_server.objects import layout
from dicomweb_server.preprocess.thumbnails import Preprocess
from dicomweb_server.signals.memory import MemorySignals
from tests import corpus
from tests.web.making import HerePool
from tests.web.retrieving import Door, door, parts

CT, CINE, REPORT = "generated/ts/ct_evle.dcm", "generated/mod/nm_dynamic_8frames.dcm", "generated/mod/sr_enhanced.dcm"
COMPRESSED = "generated/ts/ct_rle.dcm"
SEGMENTS = "generated/mod/seg_binary.dcm"
NAMES = (CT, CINE, REPORT, COMPRESSED, SEGMENTS)
RPCL = syntaxes.HTJ2K_LOSSLESS_RPCL
AT_REST = {name: name in (CT, CINE) for name in NAMES}


def frames(syntax: str) -> str:
    return f'multipart/related; type="application/octet-stream"; transfer-syntax={syntax}'


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("htj2k"), *NAMES) as opened:
        preprocess = Preprocess(opened.held.objects, opened.held.catalog, HerePool(), htj2k=True)
        preprocess([Ticket(Kind.PREPROCESS, key) for key in opened.keys.values()])
        yield opened


def at_rest(held: Door, name: str) -> Path:
    version = held.held.catalog.holdings.version(held.keys[name])
    path = held.held.objects.local(layout.htj2k(held.keys[name], version.version))
    assert path is not None
    return Path(path)


def decoded(stream: bytes, like: pydicom.FileDataset) -> bytes:
    """By pydicom's own decoder."""
    like.file_meta.TransferSyntaxUID = RPCL
    like.PixelData = encapsulate([stream])
    like["PixelData"].VR = "OB"
    like["PixelData"].is_undefined_length = True
    like.NumberOfFrames = 1
    array, _ = get_decoder(pydicom.uid.UID(RPCL)).as_array(like, index=0)
    return bytes(array.tobytes())


@pytest.mark.parametrize(("name", "kept"), AT_REST.items())
def test_uncompressed_images_are_kept_in_htj2k_and_nothing_else(held: Door, name: str, kept: bool) -> None:
    assert at_rest(held, name).is_file() is kept
    if kept:
        assert pydicom.dcmread(at_rest(held, name)).file_meta.TransferSyntaxUID == RPCL


@pytest.mark.parametrize("name", [CT, CINE])
@pytest.mark.parametrize("named", sorted({RPCL, syntaxes.HTJ2K_LOSSLESS, syntaxes.HTJ2K}))
async def test_who_names_htj2k_is_given_the_kept_stream(held: Door, name: str, named: str) -> None:
    answer = await held.get(f"{held.at(name)}/frames/1", frames(named))
    assert answer.status_code == 200
    (part,) = parts(answer)
    stream = part.body
    assert f"transfer-syntax={named}" in part.headers["Content-Type"]
    kept = pydicom.dcmread(at_rest(held, name))
    assert stream.rstrip(b"\0") in kept.PixelData
    original = pydicom.dcmread(corpus.path(name))
    size = original.Rows * original.Columns * original.BitsAllocated // 8
    assert decoded(stream, pydicom.dcmread(corpus.path(name))) == original.PixelData[:size]


async def test_any_syntax_means_the_stored_one_unless_the_site_prefers_htj2k(held: Door) -> None:
    answer = await held.get(f"{held.at(CT)}/frames/1", frames("*"))
    assert f"transfer-syntax={syntaxes.EXPLICIT_LE}" in parts(answer)[0].headers["Content-Type"]
    before = held.services
    held.services = replace(before, transcoded=replace(before.transcoded, prefer_htj2k=True))
    try:
        preferred = await held.get(f"{held.at(CT)}/frames/1", frames("*"))
        assert f"transfer-syntax={RPCL}" in parts(preferred)[0].headers["Content-Type"]
        assert preferred.headers["etag"] != answer.headers["etag"]
        native = await held.get(f"{held.at(CT)}/frames/1", frames(syntaxes.EXPLICIT_LE))
        assert parts(native)[0].body == parts(answer)[0].body
        rle = await held.get(f"{held.at(COMPRESSED)}/frames/1", frames("*"))
        assert f"transfer-syntax={syntaxes.RLE}" in parts(rle)[0].headers["Content-Type"]
    finally:
        held.services = before


async def test_a_file_is_given_as_it_is_kept(held: Door) -> None:
    answer = await held.get(held.at(CINE), f'multipart/related; type="application/dicom"; transfer-syntax={RPCL}')
    assert answer.status_code == 200
    assert parts(answer)[0].body == at_rest(held, CINE).read_bytes()


def test_it_goes_with_its_instance(tmp_path: Path) -> None:
    with door(tmp_path, CT) as opened:
        Preprocess(opened.held.objects, opened.held.catalog, HerePool(), htj2k=True)(
            [Ticket(Kind.PREPROCESS, opened.keys[CT])]
        )
        kept = at_rest(opened, CT)
        assert kept.is_file()
        Delete(opened.held.objects, opened.held.catalog.holdings, MemorySignals())(opened.keys[CT])
        assert not kept.exists()


def test_it_leaves_the_cache_with_its_instance(tmp_path: Path) -> None:
    with door(tmp_path) as opened:
        holding = opened.held
        staged = holding.receive.stage()
        staged.write_bytes(corpus.file(CT))
        ds = pydicom.dcmread(corpus.path(CT), stop_before_pixels=True)
        series = SeriesKey(ds.StudyInstanceUID, ds.SeriesInstanceUID)
        listed = {"00080018": {"vr": "UI", "Value": [ds.SOPInstanceUID]}}
        holding.catalog.pulling.announce(series.of_study, "pacs", listed, [AnnouncedSeries(series, listed, [listed])])
        key = holding.receive.receive_now(staged, Origin(DoorKind.FETCH, source="pacs")).key
        Preprocess(holding.objects, holding.catalog, HerePool(), htj2k=True)([Ticket(Kind.PREPROCESS, key)])
        version = holding.catalog.holdings.version(key)
        path = holding.objects.local(layout.htj2k(key, version.version))
        assert Path(path).is_file()
        evict = Evict(holding.objects, holding.catalog.caching, MemorySignals(), sleep=lambda _: None)
        assert evict.purge(series) == 1
        assert not Path(path).exists()
