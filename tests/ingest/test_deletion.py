from __future__ import annotations

import pytest

from dicomweb_server.ingest.deletion import Delete
from dicomweb_server.model.errors import Gone
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.objects import layout
from tests.ingest.conftest import House
from tests.ingest.files import part10

FIRST, SECOND = InstanceKey("1.1", "1.1.1", "1.1.1.1"), InstanceKey("1.1", "1.1.2", "1.1.2.1")


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        (StudyKey("1.1"), set()),
        (SeriesKey("1.1", "1.1.1"), {SECOND}),
        (SECOND, {FIRST}),
    ],
)
def test_rows_and_bytes_of_the_scope_go_and_nothing_else(house: House, scope: Scope, left: set[InstanceKey]) -> None:
    for key in (FIRST, SECOND):
        house.push(part10(key.instance, study=key.study, series=key.series))
        house.store.replace(layout.thumbnail(key, house.holdings.rows[key].version), b"picture")
    delete = Delete(house.store, house.holdings, house.signals)
    delete(scope)
    assert set(house.holdings.rows) == left
    assert house.objects() == {
        one for row in house.holdings.rows.values() for one in (row.object_key, layout.thumbnail(row.key, row.version))
    }
    assert house.signals.announced[-1] == "changed"
    with pytest.raises(Gone):
        delete(scope)
