"""How graphics and text of a presentation state look: colours, lines and fills (PS3.3 C.10.5.1, C.10.7; R-15).

Fonts are not followed: there is one that is sure to be here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dicomweb_server.dicom.dataset import Attributes

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
_LINE, _FILL, _TEXT = "00700232", "00700233", "00700231"
_ON, _ON_OPACITY, _OFF, _OFF_OPACITY = "00700251", "00700284", "00700252", "00700285"
_THICKNESS, _DASHING, _LINE_PATTERN = "00700253", "00700254", "00700255"
_FILL_MODE, _FILL_PATTERN = "00700257", "00700256"
_SHADOW, _SHADOW_ACROSS, _SHADOW_DOWN, _SHADOW_COLOUR, _SHADOW_OPACITY = (
    "00700244",
    "00700245",
    "00700246",
    "00700247",
    "00700258",
)
_TEXT_COLOUR, _HORIZONTAL, _VERTICAL, _UNDERLINED = "00700241", "00700242", "00700243", "00700248"
_LAYERS, _LAYER, _ORDER = "00700060", "00700002", "00700062"
_LAYER_GREY, _LAYER_COLOUR = "00700066", "00700401"
THICKEST = 64
_FARTHEST = 1024.0
"""Pixels that a shadow may be beside what it belongs to."""
_PATTERN_SIDE = 32
_USUAL_DASHES = 10.0, ((0.0, 6.0),)

_D50 = np.array([0.9642, 1.0, 0.8249])
_TO_SRGB = np.array([[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]])
"""From XYZ adapted to D50."""

Dashes = tuple[float, tuple[tuple[float, float], ...]]
"""After how many pixels they repeat, and from where to where each is."""


@dataclass(frozen=True, slots=True)
class Paint:
    colour: Colour = WHITE
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Shadow:
    paint: Paint
    offset: tuple[float, float] = (0.0, 0.0)
    outlined: bool = False
    """It surrounds what it belongs to, and is not displaced."""


@dataclass(frozen=True, slots=True)
class Style:
    """Of lines and of what they enclose."""

    line: Paint = field(default_factory=Paint)
    thickness: int = 1
    dashes: Dashes | None = None
    gaps: Paint | None = None
    """Between dashes."""
    shadow: Shadow | None = None
    fill: Paint = field(default_factory=Paint)
    stipple: NDArray[np.bool_] | None = None
    """Pixels of a tile that have the fill."""
    holes: Paint | None = None
    """Pixels of it that have not."""


@dataclass(frozen=True, slots=True)
class TextStyle:
    colour: Colour = WHITE
    horizontal: str = ""
    vertical: str = ""
    underlined: bool = False
    shadow: Shadow | None = None
    plain: bool = False
    """Without the edge that makes text legible where nothing is said of a shadow."""


def style_of(graphic: Attributes, layer: Colour) -> Style:
    """By its own styles, else in the colour of its layer."""
    line, fill = graphic.item(_LINE), graphic.item(_FILL)
    colour = srgb(line.numbers(_ON)) or layer
    thickness = round(min(max(line.number(_THICKNESS) or 1.0, 1.0), THICKEST))
    return Style(
        line=Paint(colour, _share(line, _ON_OPACITY)),
        thickness=thickness,
        dashes=_dashes(line, thickness) if line.text(_DASHING) == "DASHED" else None,
        gaps=_second(line),
        shadow=_shadow(line),
        fill=Paint(srgb(fill.numbers(_ON)) or colour, _share(fill, _ON_OPACITY)),
        stipple=_stipple(fill),
        holes=_second(fill),
    )


def text_style(text: Attributes, layer: Colour) -> TextStyle:
    found = text.item(_TEXT)
    return TextStyle(
        colour=srgb(found.numbers(_TEXT_COLOUR)) or layer,
        horizontal=found.text(_HORIZONTAL),
        vertical=found.text(_VERTICAL),
        underlined=found.text(_UNDERLINED) == "Y",
        shadow=_shadow(found),
        plain=bool(found.text(_SHADOW)),
    )


def _second(style: Attributes) -> Paint | None:
    colour, opacity = srgb(style.numbers(_OFF)), _share(style, _OFF_OPACITY)
    return Paint(colour, opacity) if colour is not None and opacity > 0 else None


def _shadow(style: Attributes) -> Shadow | None:
    kind, opacity = style.text(_SHADOW), _share(style, _SHADOW_OPACITY)
    if kind not in {"NORMAL", "OUTLINED"} or opacity == 0:
        return None
    paint = Paint(srgb(style.numbers(_SHADOW_COLOUR)) or (0, 0, 0), opacity)
    across, down = (min(max(style.number(tag) or 0.0, -_FARTHEST), _FARTHEST) for tag in (_SHADOW_ACROSS, _SHADOW_DOWN))
    return Shadow(paint, (across, down), kind == "OUTLINED")


def _share(style: Attributes, tag: str) -> float:
    found = style.number(tag)
    return 1.0 if found is None else min(max(found, 0.0), 1.0)


def _dashes(line: Attributes, thickness: int) -> Dashes:
    """By the 32 bits of the pattern, from the lowest, each as long as the line is thick."""
    pattern = line.whole(_LINE_PATTERN, 0) & 0xFFFFFFFF
    bits = [pattern >> bit & 1 for bit in range(32)]
    if not any(bits):
        return _USUAL_DASHES
    edges = np.flatnonzero(np.diff([0, *bits, 0])).reshape(-1, 2) * float(thickness)
    return 32.0 * thickness, tuple((first, last) for first, last in edges.tolist())


def _stipple(fill: Attributes) -> NDArray[np.bool_] | None:
    held = fill.binary(_FILL_PATTERN) or b""
    if fill.text(_FILL_MODE) != "STIPPELED" or len(held) < _PATTERN_SIDE**2 // 8:
        return None
    bits = np.unpackbits(np.frombuffer(held, np.uint8, _PATTERN_SIDE**2 // 8), bitorder="little")
    return bits.reshape(_PATTERN_SIDE, _PATTERN_SIDE) > 0


def layers_of(state: Attributes) -> dict[str, tuple[float, Colour]]:
    """Place and colour of each layer by its name; those to be drawn first come first."""
    return {layer.text(_LAYER): (layer.number(_ORDER) or 0.0, _recommended(layer)) for layer in state.items(_LAYERS)}


def _recommended(layer: Attributes) -> Colour:
    colour, grey = srgb(layer.numbers(_LAYER_COLOUR)), layer.number(_LAYER_GREY)
    if colour is None and grey is not None:
        return (min(max(int(grey), 0), 0xFFFF) >> 8,) * 3
    return colour or WHITE


def srgb(encoded: list[float]) -> Colour | None:
    """Of a CIELab value in three numbers of 16 bits (PS3.3 C.10.7.1.1); None where there is none."""
    if len(encoded) != 3:
        return None
    lightness, a, b = encoded[0] * 100 / 0xFFFF, encoded[1] * 255 / 0xFFFF - 128, encoded[2] * 255 / 0xFFFF - 128
    middle = (lightness + 16) / 116
    parts = np.array([middle + a / 500, middle, middle - b / 200])
    xyz = np.where(parts > 6 / 29, parts**3, (parts - 4 / 29) * 3 * (6 / 29) ** 2) * _D50
    linear = np.clip(_TO_SRGB @ xyz, 0.0, 1.0)
    shown = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (int(value) for value in np.rint(shown * 255))
    return red, green, blue
