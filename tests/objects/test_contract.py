"""What every object store promises (objects/base.py)."""

from __future__ import annotations

import pytest

from dicomweb_server.model.errors import BackendFailed, NotFound
from dicomweb_server.model.records import Span
from dicomweb_server.objects.base import ObjectStore, Staged

KEY = "instances/1.2/1.2.3/1.2.3.4-abc.dcm"


def staged(store: ObjectStore, body: bytes, key: str = KEY) -> Staged:
    path = store.staging() / f"{len(list(store.staging().iterdir()))}.part"
    path.write_bytes(body)
    return Staged(path, key)


async def test_what_was_adopted_can_be_read(store: ObjectStore) -> None:
    store.adopt([staged(store, b"one"), staged(store, b"two", KEY + "2")])
    assert await store.read(KEY) == b"one"
    assert await store.read(KEY + "2") == b"two"
    assert list(store.staging().iterdir()) == []


async def test_adopting_never_overwrites(store: ObjectStore) -> None:
    store.adopt([staged(store, b"first")])
    with pytest.raises(BackendFailed):
        store.adopt([staged(store, b"second")])
    assert await store.read(KEY) == b"first"


@pytest.mark.parametrize(
    ("span", "body"),
    [
        (None, b"0123456789"),
        (Span(0, 4), b"0123"),
        (Span(3, 4), b"3456"),
        (Span(8, 9), b"89"),
        (Span(10, 5), b""),
        (Span(4, 0), b""),
    ],
)
async def test_a_span_is_cut_at_the_end(store: ObjectStore, span: Span | None, body: bytes) -> None:
    store.replace(KEY, b"0123456789")
    assert await store.read(KEY, span) == body
    assert b"".join([chunk async for chunk in store.stream(KEY, span)]) == body


async def test_a_long_object_streams_in_chunks(store: ObjectStore) -> None:
    body = bytes(range(256)) * 12_345
    store.adopt([staged(store, body)])
    assert b"".join([chunk async for chunk in store.stream(KEY)]) == body


async def test_replacing_leaves_the_new_bytes(store: ObjectStore) -> None:
    store.replace(KEY, b"old")
    store.replace(KEY, b"new")
    assert await store.read(KEY) == b"new"


async def test_what_is_not_there_is_not_found(store: ObjectStore) -> None:
    with pytest.raises(NotFound):
        await store.read(KEY)
    with pytest.raises(NotFound):
        await anext(aiter(store.stream(KEY)))
    with pytest.raises(NotFound):
        store.stat(KEY)


def test_deleting_twice_is_no_error(store: ObjectStore) -> None:
    store.adopt([staged(store, b"x")])
    store.delete([KEY])
    store.delete([KEY, "instances/9/9/9-z.dcm"])
    with pytest.raises(NotFound):
        store.stat(KEY)


def test_an_emptied_series_can_be_filled_again(store: ObjectStore) -> None:
    store.adopt([staged(store, b"x")])
    store.delete([KEY])
    store.adopt([staged(store, b"xy")])
    assert store.stat(KEY).size == 2


def test_a_prefix_lists_what_lies_under_it(store: ObjectStore) -> None:
    store.adopt([staged(store, b"x"), staged(store, b"yy", "series/1.2/1.2.3/a.json")])
    arriving = staged(store, b"not yet", "instances/7/7/7-a.dcm")
    assert {(info.key, info.size) for info in store.list()} == {(KEY, 1), ("series/1.2/1.2.3/a.json", 2)}
    assert [info.key for info in store.list("series/1.2/1.2.3/")] == ["series/1.2/1.2.3/a.json"]
    assert [info.key for info in store.list("instances/1.2/1.2.3/1.2")] == [KEY]
    assert list(store.list("instances/1.2/1.2.3/9")) == []
    assert list(store.list("thumbnails/")) == []
    assert arriving.path.exists()


async def test_a_store_without_public_urls_says_so(store: ObjectStore) -> None:
    assert await store.direct_url(KEY, seconds=60) is None
