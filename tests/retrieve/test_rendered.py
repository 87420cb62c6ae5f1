"""A decoder that crashes, hangs or eats memory is a refusal, and the next picture is drawn (C-40, bad input)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dicomweb_server.dicom.rendering.request import Rendering
from dicomweb_server.model.errors import NotFound, Undecodable
from dicomweb_server.pool.processes import ProcessPool
from dicomweb_server.retrieve.derived import Derived
from dicomweb_server.retrieve.rendered import Rendered
from dicomweb_server.retrieve.shelf import Held, Shelf
from dicomweb_server.retrieve.thumbnails import Box, Thumbnails
from tests.holding import Holding, holding
from tests.pool import work

CT = "generated/ts/ct_evle.dcm"


def crash(path: str) -> None:
    work.crash()


def hang(path: str) -> None:
    work.hang()


def eat(path: str) -> None:
    work.eat(2 << 30)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    pool = ProcessPool(processes=1, seconds=2.0, memory=1 << 30)
    yield pool
    pool.close()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Holding]:
    with holding(tmp_path) as found:
        yield found


def halve(path: str | None) -> None:
    assert path is not None
    file = Path(path)
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def found(held: Holding, pool: ProcessPool) -> tuple[Rendered, Held]:
    rendered = Rendered(Shelf(held.catalog, held.objects), pool)
    version = held.catalog.holdings.version(held.take_all([CT])[CT])
    return rendered, rendered.shelf.held(version)


@pytest.mark.parametrize("bad", [crash, hang, eat])
async def test_what_kills_the_decoder_is_refused_and_the_next_is_drawn(
    held: Holding, pool: ProcessPool, bad: Callable[[str], Any]
) -> None:
    rendered, instance = found(held, pool)
    with pytest.raises(Undecodable, match="cannot be drawn"):
        await rendered.run(instance, bad)
    picture = await rendered.picture(instance, [1], Rendering())
    assert isinstance(picture, bytes)
    assert picture.startswith(b"\xff\xd8")


async def test_a_picture_that_cannot_be_kept_is_given_all_the_same(
    held: Holding, pool: ProcessPool, tmp_path: Path
) -> None:
    rendered, instance = found(held, pool)
    (tmp_path / "file").write_bytes(b"")
    pictures = [
        await Rendered(rendered.shelf, pool, Derived(tmp_path / folder, 1 << 20)).picture(instance, [1], Rendering())
        for folder in ("file", "folder", "folder")
    ]
    assert pictures == [await rendered.picture(instance, [1], Rendering())] * 3


async def test_a_file_that_is_gone_is_not_found(held: Holding, pool: ProcessPool) -> None:
    rendered, instance = found(held, pool)
    held.objects.delete([instance.version.object_key])
    with pytest.raises(NotFound):
        await rendered.picture(instance, [1], Rendering())


async def test_a_card_stands_for_what_cannot_be_drawn(held: Holding, pool: ProcessPool) -> None:
    rendered, instance = found(held, pool)
    halve(instance.path)
    picture = await Thumbnails(rendered).picture(instance, box=Box(200, 200))
    assert picture.startswith(b"\xff\xd8")


async def test_the_web_goes_on_while_a_decoder_hangs(held: Holding, pool: ProcessPool) -> None:
    rendered, instance = found(held, pool)
    hanging = asyncio.ensure_future(rendered.run(instance, hang))
    assert (await asyncio.wait_for(rendered.shelf.instance(instance.key), 1.0)).key == instance.key
    with pytest.raises(Undecodable):
        await hanging
