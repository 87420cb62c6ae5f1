"""ICC profiles of rendered images: whose is taken, and in which files it stands (R-09). Files are made by Pillow."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageCms
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000, ExplicitVRLittleEndian, JPEGBaseline8Bit

from dicomweb_server.dicom.rendering.embedded import embedded_profile
from dicomweb_server.dicom.rendering.profiles import profile_of
from dicomweb_server.dicom.rendering.request import Profile
from tests import corpus
from tests.web.retrieving import Door, door, instance_path
from tests.web.states import item, referring, state

CT, PALETTE = "generated/ts/ct_evle.dcm", "generated/pi/palette_8bit.dcm"
COLOUR_STATE = "1.2.840.10008.5.1.4.1.1.11.2"
ADOBE = profile_of(Profile.ADOBE)
RED = Image.new("RGB", (32, 16), (200, 30, 30))


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("profiles"), CT) as found:
        yield found


def stored(held: Door, number: int, frame: bytes, syntax: str, **more: Any) -> str:
    """Path of a colour image with one frame."""
    dataset = pydicom.dcmread(corpus.path(CT))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.77{number}"
    dataset.Rows, dataset.Columns = RED.height, RED.width
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = frame if syntax == ExplicitVRLittleEndian else encapsulate([frame])
    if syntax != ExplicitVRLittleEndian:
        dataset["PixelData"].VR = "OB"
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return instance_path(held.held.take_bytes(buffer.getvalue()))


def jpeg(**options: Any) -> bytes:
    buffer = io.BytesIO()
    RED.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def jp2(profile: bytes) -> bytes:
    """Pillow's file with the profile in place of its enumerated space."""
    buffer = io.BytesIO()
    RED.save(buffer, "JPEG2000")
    content = buffer.getvalue()
    head = content.index(b"jp2h") - 4
    (length,) = struct.unpack_from(">I", content, head)
    colour = struct.pack(">I4s3B", 11 + len(profile), b"colr", 2, 0, 0) + profile
    kept = content[head + 8 : content.index(b"colr") - 4]
    inner = kept + colour
    return content[:head] + struct.pack(">I4s", 8 + len(inner), b"jp2h") + inner + content[head + length :]


async def profile(held: Door, path: str, query: str = "yes", media_type: str = "image/png") -> bytes | None:
    answer = await held.get(f"{path}/rendered?iccprofile={query}", media_type)
    assert answer.status_code == 200, answer.text
    found: bytes | None = Image.open(io.BytesIO(answer.content)).info.get("icc_profile")
    return found


async def test_a_profile_inside_of_a_stored_jpeg_is_the_image_s_own(held: Door) -> None:
    path = stored(held, 1, jpeg(icc_profile=ADOBE), JPEGBaseline8Bit, PhotometricInterpretation="YBR_FULL_422")
    assert await profile(held, path) == ADOBE


async def test_a_profile_in_the_boxes_of_a_stored_jp2_is_the_image_s_own(held: Door) -> None:
    path = stored(held, 2, jp2(ADOBE), JPEG2000, PhotometricInterpretation="YBR_ICT")
    assert await profile(held, path) == ADOBE


async def test_colours_are_turned_out_of_the_space_of_the_stored_frame(held: Door) -> None:
    path = stored(held, 3, jpeg(icc_profile=ADOBE, quality=95), JPEGBaseline8Bit)
    answer = await held.get(f"{path}/rendered?iccprofile=srgb", "image/png")
    by_hand = ImageCms.profileToProfile(
        RED, ImageCms.ImageCmsProfile(io.BytesIO(ADOBE)), ImageCms.createProfile("sRGB")
    )
    assert by_hand is not None
    difference = np.asarray(Image.open(io.BytesIO(answer.content)), int) - np.asarray(by_hand, int)
    assert np.abs(difference).max() <= 6
    assert by_hand.getpixel((0, 0)) != RED.getpixel((0, 0))


async def test_what_the_data_set_says_comes_before_what_the_frame_carries(held: Door) -> None:
    mine = profile_of(Profile.ROMM)
    path = stored(held, 4, jpeg(icc_profile=ADOBE), JPEGBaseline8Bit, ICCProfile=mine)
    assert await profile(held, path) == mine


async def test_a_frame_has_the_profile_of_its_optical_path(held: Door) -> None:
    paths = []
    for name, icc in (("1", profile_of(Profile.ROMM)), ("2", ADOBE)):
        paths.append(item(OpticalPathIdentifier=name, ICCProfile=icc))
    used, groups = Dataset(), Dataset()
    used.OpticalPathIdentifier = "2"
    groups.OpticalPathIdentificationSequence = [used]
    path = stored(
        held,
        5,
        RED.tobytes(),
        ExplicitVRLittleEndian,
        OpticalPathSequence=Sequence(paths),
        SharedFunctionalGroupsSequence=Sequence([groups]),
    )
    assert await profile(held, path) == ADOBE


async def test_the_profile_of_a_presentation_state_stands_in_place_of_the_image_s(held: Door) -> None:
    """R-15; the image's own is kept where a colour state has none"""
    mine = profile_of(Profile.ROMM)
    coloured = state(held, 2500, of="generated/mod/pr_pseudocolor.dcm", ICCProfile=ADOBE)
    assert await profile(held, coloured) == ADOBE
    *_, instance = stored(held, 8, RED.tobytes(), ExplicitVRLittleEndian, ICCProfile=mine).split("/")
    series = referring(item(SOPClassUID="1.2.3", SOPInstanceUID=instance, SeriesInstanceUID=held.keys[CT].series))
    own = state(held, 2501, of_class=COLOUR_STATE, ReferencedSeriesSequence=series, DisplayedAreaSelectionSequence=[])
    assert await profile(held, own) == mine
    named = {"ReferencedSeriesSequence": series, "DisplayedAreaSelectionSequence": [], "ICCProfile": ADOBE}
    assert await profile(held, state(held, 2502, of_class=COLOUR_STATE, **named)) == ADOBE


@pytest.mark.parametrize("media_type", ["image/jp2", "image/jph"])
async def test_jpeg_2000_files_hold_the_profile_in_their_colour_box(held: Door, media_type: str) -> None:
    path = stored(held, 6, RED.tobytes(), ExplicitVRLittleEndian, ICCProfile=ADOBE)
    content = (await held.get(f"{path}/rendered?iccprofile=yes", media_type)).content
    at = content.index(b"colr")
    (length,) = struct.unpack_from(">I", content, at - 4)
    assert content[at + 4] == 2
    assert content[at + 7 : at - 4 + length] == ADOBE
    if media_type == "image/jp2":
        assert np.abs(np.asarray(Image.open(io.BytesIO(content)), int) - np.asarray(RED, int)).max() <= 3
    without = (await held.get(f"{path}/rendered", media_type)).content
    assert ADOBE not in without


async def test_a_grey_image_becomes_rgb_where_a_profile_of_rgb_goes_with_it(held: Door) -> None:
    """A grey file must not hold a profile of RGB (PNG 11.3.2.3)"""
    plain = np.asarray(Image.open(io.BytesIO((await held.get(held.at(CT) + "/rendered", "image/png")).content)))
    answer = await held.get(held.at(CT) + "/rendered?iccprofile=yes", "image/png")
    image = Image.open(io.BytesIO(answer.content))
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image)[..., 1], plain)


def test_several_pieces_of_a_profile_are_put_together() -> None:
    """A segment holds 64 kB at most"""
    long = ADOBE + bytes(100_000)
    assert embedded_profile(jpeg(icc_profile=long)) == long


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        jpeg(),
        jpeg(icc_profile=ADOBE)[:300],
        jpeg(icc_profile=ADOBE).replace(b"ICC_PROFILE\0\x01\x01", b"ICC_PROFILE\0\x01\x02"),
        jpeg(icc_profile=ADOBE[:16] + b"GRAY" + ADOBE[20:]),
        jp2(ADOBE)[:60],
        b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
    ],
)
def test_broken_and_missing_profiles_are_none(data: bytes) -> None:
    assert embedded_profile(data) is None
