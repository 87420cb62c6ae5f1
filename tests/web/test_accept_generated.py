"""Accept headers made by the thousand: whatever is chosen was accepted, and can be given (C-07, C-24 to C-34)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb_server.dicom.syntaxes import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    MEDIA_TYPES,
    OCTET_STREAM,
    SYNTAXES,
    syntax_of,
)
from dicomweb_server.model.errors import NotAcceptable
from dicomweb_server.retrieve.transcoded import can_give
from dicomweb_server.web.accept import Accepted, Form, for_instance, for_pixels

STORED = sorted(uid for uid, syntax in SYNTAXES.items() if not syntax.by_reference and not syntax.video)
IMAGES = sorted(kind for kind in MEDIA_TYPES if kind.startswith("image/"))
KINDS = [*IMAGES, "image/*", "*/*", OCTET_STREAM, "application/dicom", "image/png", "text/html"]


@dataclass(frozen=True)
class Wish:
    """One member of a header, and how it is spelled."""

    kind: str
    multipart: bool
    syntax: str | None
    quality: str
    quoted: bool

    @property
    def text(self) -> str:
        quote = '"' if self.quoted else ""
        parts = [f"multipart/related; type={quote}{self.kind}{quote}" if self.multipart else self.kind]
        if self.syntax is not None:
            parts.append(f"transfer-syntax={quote}{self.syntax}{quote}")
        return "; ".join([*parts, f"q={self.quality}"])

    def covers(self, form: Form) -> bool:
        either = self.kind == "*/*" and not self.multipart
        same = self.kind in ("*/*", form.media_type) or (
            self.kind == "image/*" and form.media_type.startswith("image/")
        )
        return same and (either or self.multipart == form.multipart) and self.syntax in (None, "*", form.syntax)


WISHES = st.builds(
    Wish,
    st.sampled_from(KINDS),
    st.booleans(),
    st.sampled_from([None, None, "*", IMPLICIT_LE, EXPLICIT_BE, *STORED]),
    st.sampled_from(["0", "0.001", "0.5", "1", "1.000"]),
    st.booleans(),
)
HEADERS = st.lists(WISHES, min_size=1, max_size=8)


def judge(wishes: list[Wish], form: Form, stored: str) -> None:
    heard = [wish for wish in wishes if wish.covers(form)]
    assert any(float(wish.quality) > 0 for wish in heard), "nobody asked for it"
    refused = {
        wish.kind
        for wish in wishes
        if wish.quality == "0" and wish.kind == form.media_type and wish.syntax is None
        if wish.multipart == form.multipart
    }
    by_name = [wish for wish in heard if wish.kind == form.media_type and float(wish.quality) > 0]
    assert not refused or by_name, "refused by name, and taken by a wildcard (C-25)"
    assert form.syntax not in (IMPLICIT_LE, EXPLICIT_BE), "C-07"
    if syntax_of(form.syntax).lossy:
        named = any(wish.syntax == form.syntax for wish in heard)
        assert named or form.syntax == stored, "lossy without being asked for (C-32)"


@given(HEADERS, st.sampled_from(STORED), st.sampled_from([1, 3]))
def test_a_form_of_pixels_is_one_of_those_accepted(wishes: list[Wish], stored: str, parts: int) -> None:
    syntax = syntax_of(stored)
    can = can_give(syntax)
    try:
        form = for_pixels(Accepted.of(", ".join(wish.text for wish in wishes)), syntax, can, parts=parts)
    except NotAcceptable as error:
        for offer in error.available:
            for_pixels(Accepted.of(offer), syntax, can, parts=parts)  # C-40: what is offered can be had
        return
    assert form.multipart or parts == 1, "C-34"
    judge(wishes, form, stored)


@given(HEADERS, st.sampled_from(STORED), st.sampled_from([1, 3]))
def test_a_form_of_an_instance_is_one_of_those_accepted(wishes: list[Wish], stored: str, parts: int) -> None:
    syntax = syntax_of(stored)
    header = ", ".join(wish.text for wish in wishes)
    form = for_instance(Accepted.of(header), syntax, can_give(syntax), parts=parts)
    if form is not None:
        assert form.multipart or parts == 1, "C-34"
        judge(wishes, form, stored)


JLS, HTJ2K, EXTENDED = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.51"


@pytest.mark.parametrize(
    ("accept", "stored", "answer"),
    [
        # C-24, C-25: a narrow member says what a wide one does not
        ("image/jls;q=0, image/*", JLS, None),
        ("image/*, image/jls;q=0", JLS, None),
        ('multipart/related; type="image/jls";q=0, multipart/related; type="image/*"', JLS, None),
        ("image/x-jls;q=0, image/*", JLS, None),
        ("image/*;q=0, */*", JLS, (OCTET_STREAM, EXPLICIT_LE, True)),
        ("image/*, image/jls;q=0.2, application/octet-stream;q=0.5", JLS, (OCTET_STREAM, EXPLICIT_LE, False)),
        # C-39: by every name, answered with the name
        ("image/jhc", HTJ2K, ("image/jhc", HTJ2K, False)),
        ("image/jll", "1.2.840.10008.1.2.4.70", ("image/jll", "1.2.840.10008.1.2.4.70", False)),
        ("image/j2c", "1.2.840.10008.1.2.4.90", ("image/j2c", "1.2.840.10008.1.2.4.90", False)),
        ("image/x-dicom-rle", "1.2.840.10008.1.2.5", ("image/x-dicom-rle", "1.2.840.10008.1.2.5", False)),
        (
            f'multipart/related; type="image/dicom+jpeg"; transfer-syntax={EXTENDED}',
            EXTENDED,
            ("image/dicom+jpeg", EXTENDED, True),
        ),
        # what dicomweb-client in Python sends by default
        ('multipart/related; type="*/*"', JLS, (OCTET_STREAM, EXPLICIT_LE, True)),
        # probe 12
        ('multipart/related; type="image/*"; transfer-syntax=*', JLS, ("image/jls", JLS, True)),
    ],
)
def test_what_a_header_leads_to(accept: str, stored: str, answer: tuple[str, str, bool] | None) -> None:
    syntax = syntax_of(stored)
    try:
        form = for_pixels(Accepted.of(accept), syntax, can_give(syntax))
    except NotAcceptable:
        assert answer is None
    else:
        assert answer is not None
        assert form == Form(*answer)
