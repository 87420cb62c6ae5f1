"""What a caller may ask of a rendered image, as plain values (PS3.18 8.3.5.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from dicomweb_server.model.errors import BadRequest

LARGEST_SIDE = 16384
LARGEST_AREA = 1 << 26
"""Pixels of a rendered image; what is larger is a malformed request, not an image anybody looks at."""


class WindowFunction(Enum):
    """How a window maps values to brightness (PS3.3 C.11.2.1.2, C.11.2.1.3)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    center: float
    width: float
    function: WindowFunction = WindowFunction.LINEAR

    def __post_init__(self) -> None:
        linear = self.function is WindowFunction.LINEAR
        if self.width < 1 if linear else self.width <= 0:
            raise BadRequest(f"a window of width {self.width:g}; at least 1 if linear, else above 0")


@dataclass(frozen=True, slots=True)
class Viewport:
    """Cut the source region out, flip it where its size is negative, and scale it to fit (R-07)."""

    width: int
    height: int
    x: float = 0.0
    y: float = 0.0
    source_width: float | None = None
    source_height: float | None = None

    def __post_init__(self) -> None:
        if not (0 < self.width <= LARGEST_SIDE and 0 < self.height <= LARGEST_SIDE):
            raise BadRequest(f"a viewport of {self.width} x {self.height}; at most {LARGEST_SIDE} a side")


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the image, each side from 0 to 1 (PS3.18 9.1.2.4.6)."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise BadRequest("a region is xmin,ymin,xmax,ymax, each from 0 to 1, the smaller first")


class Annotation(Enum):
    PATIENT = "patient"
    TECHNIQUE = "technique"


class Profile(Enum):
    """``iccprofile`` (R-09)."""

    NO = "no"
    YES = "yes"
    SRGB = "srgb"
    ADOBE = "adobergb"
    ROMM = "rommrgb"


@dataclass(frozen=True, slots=True)
class Rendering:
    """One rendered image as asked for."""

    media_type: str = "image/jpeg"
    window: Window | None = None
    region: Region | None = None
    """Cut out before the viewport is looked at."""
    viewport: Viewport | None = None
    quality: int = 90
    annotations: frozenset[Annotation] = frozenset()
    profile: Profile = Profile.NO

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise BadRequest(f"a quality of {self.quality}; it is 1 to 100")

    @property
    def spelled(self) -> str:
        """The same in every process for the same wish; the order of a set is not."""
        return _spelled(self)


@lru_cache(maxsize=256)
def _spelled(wanted: Rendering) -> str:
    return f"{replace(wanted, annotations=frozenset())} {sorted(each.value for each in wanted.annotations)}"
