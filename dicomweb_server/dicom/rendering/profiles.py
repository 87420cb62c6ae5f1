"""Colour spaces of rendered images and their ICC profiles (R-09; PS3.18 8.3.5.1.5)."""

from __future__ import annotations

import io
import struct
from functools import cache

from PIL import Image, ImageCms

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.families import Family, family
from dicomweb_server.dicom.rendering.embedded import embedded_profile
from dicomweb_server.dicom.rendering.groups import of_frame
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.dicom.rendering.request import Profile

_ICC = "00282000"
_OPTICAL_PATHS, _PATH_OF_FRAME, _PATH = "00480105", "00480207", "00480106"

_Primaries = tuple[tuple[float, float, float], ...]
_SPACES: dict[Profile, tuple[str, float, _Primaries]] = {
    # Red, green and blue in XYZ, adapted to D50: Adobe RGB (1998) 4.3.5, and ISO 22028-2 (ROMM RGB)
    Profile.ADOBE: (
        "Adobe RGB (1998) compatible",
        563 / 256,
        ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    ),
    Profile.ROMM: (
        "ROMM RGB",
        1.8,
        ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)),
    ),
}


def in_space(image: Image.Image, own: bytes | None, wanted: Profile) -> tuple[Image.Image, bytes | None]:
    """The image in the space asked for, and the profile to go with it: an RGB image, since the profiles are of RGB.

    ``own`` is the image's own profile. ``YES`` keeps its space. Without a profile, or grey, it is taken as sRGB.
    """
    if wanted is Profile.NO:
        return image, None
    own = own if image.mode == "RGB" else None
    image = image.convert("RGB")
    if wanted is Profile.YES:
        return image, own or profile_of(Profile.SRGB)
    target = profile_of(wanted)
    if own is None and wanted is Profile.SRGB:
        return image, target
    return _turned(image, own or profile_of(Profile.SRGB), target), target


@cache
def profile_of(space: Profile) -> bytes:
    """The ICC profile of sRGB, Adobe RGB or ROMM RGB. Raises KeyError for what is no space."""
    if space is Profile.SRGB:
        return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    name, gamma, primaries = _SPACES[space]
    return _matrix_profile(name, gamma, primaries)


def profile_in(attributes: Attributes, subject: Subject, data: bytes) -> bytes | None:
    """The profile of a frame: its optical path's, that of the data set ``attributes``, or the one in the frame."""
    used = (of_frame(attributes, subject.number, _PATH_OF_FRAME) or attributes.item(_PATH_OF_FRAME)).text(_PATH)
    paths = attributes.items(_OPTICAL_PATHS)
    named = [path for path in paths if path.text(_PATH) == used] if used else paths
    found = next((path.binary(_ICC) for path in named), None) or attributes.binary(_ICC)
    compressed = family(subject.facts.transfer_syntax) in {Family.JPEG, Family.JPEG_2000}
    return embedded_profile(data) if found is None and compressed else found


def _turned(image: Image.Image, source: bytes, target: bytes) -> Image.Image:
    """Unchanged where the image's own profile is none."""
    try:
        given, wanted = (ImageCms.ImageCmsProfile(io.BytesIO(profile)) for profile in (source, target))
        return ImageCms.profileToProfile(image, given, wanted) or image
    except (ImageCms.PyCMSError, OSError):
        return image


def _matrix_profile(name: str, gamma: float, primaries: _Primaries) -> bytes:
    """A display profile of three colorants and one curve (ICC.1:2001-04, 6.3.1.2)."""
    text = name.encode() + b"\0"
    curve = b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(gamma * 256))
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + b"No copyright\0",
        b"wtpt": _xyz(0.9642, 1.0, 0.8249),
        **{kind: _xyz(*colour) for kind, colour in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    place = 128 + 4 + 12 * len(tags)
    table, content = [struct.pack(">I", len(tags))], []
    for kind, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table.append(struct.pack(">4sII", kind, place, len(data)))
        content.append(padded)
        place += len(padded)
    head = struct.pack(">I4xI4s4s4s12x4s", place, 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    illuminant = _xyz(0.9642, 1.0, 0.8249)[8:]
    return b"".join(((head.ljust(68, b"\0") + illuminant).ljust(128, b"\0"), *table, *content))


def _xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in (x, y, z)))
