"""Every file of the corpus, good or bad, gives a picture or a clear refusal, in a process that could be killed."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from dicomweb_server.dicom import drawing, syntaxes
from dicomweb_server.dicom.rendering.request import Rendering
from dicomweb_server.model.errors import NotAcceptable, NotFound, Rejected
from dicomweb_server.pool.processes import ProcessPool
from tests import corpus


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    pool = ProcessPool(processes=1, seconds=20, memory=1 << 30, preload=drawing.PRELOAD)
    yield pool
    pool.close()


@pytest.mark.parametrize("name", corpus.names())
def test_every_file_has_a_thumbnail_or_is_no_dicom(name: str) -> None:
    try:
        shown = drawing.draw_thumbnail(str(corpus.path(name)))
    except Rejected:
        assert not corpus.expected()[name].get("frames_sha256") or "malformed/" in name or "bomb" in name
        return
    with Image.open(io.BytesIO(shown)) as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize("name", corpus.names("malformed/"))
def test_a_broken_file_is_drawn_or_refused_and_never_more(name: str) -> None:
    try:
        assert drawing.draw_frame(str(corpus.path(name)), 1, Rendering())[:2] == b"\xff\xd8"
    except (NotAcceptable, NotFound, Rejected) as error:
        assert "/" not in str(error)


def test_the_pool_draws(pool: ProcessPool) -> None:
    path = str(corpus.path("generated/ts/ct_evle.dcm"))
    assert pool.run_blocking(drawing.draw_frame, path, 1, Rendering(media_type="image/png"))[:4] == b"\x89PNG"
    assert pool.run_blocking(drawing.draw_thumbnail, path)[:2] == b"\xff\xd8"
    (frame,) = pool.run_blocking(drawing.transcode_frames, path, [1], syntaxes.HTJ2K_LOSSLESS_RPCL)
    assert frame.data[:4] == b"\xff\x4f\xff\x51"


def test_a_refusal_comes_through_the_pool(pool: ProcessPool) -> None:
    with pytest.raises(NotFound):
        pool.run_blocking(drawing.draw_frame, str(corpus.path("generated/ts/ct_evle.dcm")), 2, Rendering())
    with pytest.raises(NotFound, match=r"^the stored object is gone$"):
        pool.run_blocking(drawing.draw_thumbnail, str(corpus.path("nowhere.dcm")))


def test_frames_of_one_instance_become_images_or_one_animation() -> None:
    path = str(corpus.path("generated/mod/nm_dynamic_8frames.dcm"))
    assert len(drawing.draw_frames(path, [2, 5], Rendering())) == 2
    with Image.open(io.BytesIO(drawing.draw_animation(path, [], Rendering()))) as moving:
        assert getattr(moving, "n_frames", 1) == 8


def test_a_report_is_written_and_an_image_is_none() -> None:
    assert b"<h1>" in drawing.write_report(str(corpus.path("generated/mod/sr_enhanced.dcm")), "text/html")
    with pytest.raises(NotAcceptable):
        drawing.write_report(str(corpus.path("generated/ts/ct_evle.dcm")), "text/html")


def test_a_video_is_not_drawn_but_has_an_icon() -> None:
    path = str(corpus.path("generated/mod/video_mpeg2_mpml.dcm"))
    with pytest.raises(NotAcceptable):
        drawing.draw_frame(path, 1, Rendering())
    assert drawing.draw_thumbnail(path)[:2] == b"\xff\xd8"
