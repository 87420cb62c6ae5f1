from __future__ import annotations

import pytest

from dicomweb_server.model.errors import BackendFailed, DicomwebError, NotFound, OutOfResources
from dicomweb_server.workers.policy import Policy, passing


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (BackendFailed("source answered 503", passing=True), True),
        (BackendFailed("codestream is broken"), False),
        (OutOfResources("disk full"), True),
        (NotFound("no such instance"), False),
        (RuntimeError("who knows"), True),
    ],
)
def test_only_what_may_pass_is_tried_again(error: Exception, again: bool) -> None:
    assert passing(error) is again


@pytest.mark.parametrize(("attempt", "delay"), [(1, 2.0), (2, 4.0), (3, 8.0), (4, 16.0)])
def test_each_wait_is_twice_the_last(attempt: int, delay: float) -> None:
    assert Policy().delay_after(attempt, OutOfResources("disk full"), jitter=0.5) == delay


def test_waiting_is_bounded() -> None:
    policy = Policy(attempts=100, longest_delay=60.0)
    assert policy.delay_after(50, OutOfResources("disk full"), jitter=0.5) == 60.0


def test_the_last_attempt_is_the_last() -> None:
    assert Policy(attempts=3).delay_after(3, OutOfResources("disk full"), jitter=0.5) is None


def test_what_cannot_pass_is_given_up_at_once() -> None:
    assert Policy().delay_after(1, DicomwebError("malformed"), jitter=0.5) is None
