from __future__ import annotations

import pytest

from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.objects import layout

KEY = InstanceKey("1.2", "1.2.3", "1.2.3.4")
ELSEWHERE = InstanceKey("1.2", "1.2.3", "1.2.3.4", "ward")


def test_keys_lie_where_the_page_says() -> None:
    assert layout.instance(KEY, "ab") == "instances/1.2/1.2.3/1.2.3.4-ab.dcm"
    assert layout.thumbnail(KEY, "ab") == "thumbnails/1.2/1.2.3/1.2.3.4-ab.jpg"
    assert layout.series_metadata(KEY.of_series, "ff", "0a") == "series/1.2/1.2.3/ff-0a.json"
    assert layout.instance(ELSEWHERE, "ab") == "tenants/ward/instances/1.2/1.2.3/1.2.3.4-ab.dcm"


@pytest.mark.parametrize("key", [KEY, ELSEWHERE])
def test_an_instance_leads_to_its_picture(key: InstanceKey) -> None:
    assert layout.made_from(layout.instance(key, "ab")) == [layout.thumbnail(key, "ab"), layout.htj2k(key, "ab")]
    assert layout.made_from(layout.series_metadata(key.of_series, "ff", "0a")) == []


@pytest.mark.parametrize("bad", ["..", "a", "", "1/2", "1.2\n", "1" * 65])
def test_what_is_no_uid_never_becomes_a_key(bad: str) -> None:
    with pytest.raises(ValueError, match="not a UID"):
        layout.instance(InstanceKey(bad, "1.2.3", "1.2.3.4"), "ab")
    with pytest.raises(ValueError, match="not a UID"):
        layout.series_documents(SeriesKey("1.2", bad))
