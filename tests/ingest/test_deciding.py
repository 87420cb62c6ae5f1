from __future__ import annotations

import pytest

from dicomweb_server.ingest.deciding import Compare, Compared, Decision, Drop, Keep, Policy, Store, decide
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.records import Derived, Fate, Version

KEY = InstanceKey("1.2", "1.2.3", "1.2.3.4")
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def arriving(digest: bytes, syntax: str = EXPLICIT) -> Derived:
    return Derived(KEY, "1.2.840.10008.5.1.4.1.1.7", syntax, {}, b"{}", None, 0, digest, 100)


HERE = Version(KEY, "v1", "k1", 100, b"one", "1.2.840.10008.5.1.4.1.1.7", EXPLICIT, None, 0)
SAME, OTHER, STALE = Compared("v1", True), Compared("v1", False), Compared("v0", True)


@pytest.mark.parametrize(
    ("policy", "digest", "current", "compared", "decision"),
    [
        (Policy.KEEP_FIRST, b"one", None, None, Store(Fate.STORED)),
        (Policy.REFUSE, b"one", None, STALE, Store(Fate.STORED)),
        (Policy.KEEP_FIRST, b"one", HERE, None, Drop(Fate.SAME)),
        (Policy.REPLACE, b"one", HERE, None, Drop(Fate.SAME)),
        (Policy.REFUSE, b"one", HERE, None, Drop(Fate.SAME)),
        (Policy.KEEP_FIRST, b"two", HERE, None, Compare(HERE)),
        (Policy.REPLACE, b"two", HERE, STALE, Compare(HERE)),
        (Policy.REPLACE, b"two", HERE, SAME, Drop(Fate.SAME)),
        (Policy.REFUSE, b"two", HERE, SAME, Drop(Fate.SAME)),
        (Policy.KEEP_FIRST, b"two", HERE, OTHER, Drop(Fate.KEPT_FIRST)),
        (Policy.REFUSE, b"two", HERE, OTHER, Drop(Fate.REFUSED)),
        (Policy.REPLACE, b"two", HERE, OTHER, Store(Fate.REPLACED, over="v1")),
    ],
)
def test_fate_follows_from_policy_and_content(
    policy: Policy, digest: bytes, current: Version | None, compared: Compared | None, decision: Decision
) -> None:
    assert decide(policy, arriving(digest), "v2", current, compared) == decision


def test_an_instance_that_meets_itself_is_stored() -> None:
    assert decide(Policy.REPLACE, arriving(b"one"), "v1", HERE, None) == Keep(Fate.STORED)


def test_the_same_bytes_in_another_syntax_are_not_taken_for_the_same_unseen() -> None:
    assert decide(Policy.KEEP_FIRST, arriving(b"one", IMPLICIT), "v2", HERE, None) == Compare(HERE)
