"""The media types that are drawn or written here; no decoder is loaded for their names (PS3.18 8.7.4, R-10)."""

from __future__ import annotations

IMAGES = ("image/jpeg", "image/gif", "image/png", "image/jp2", "image/jph", "image/jxl")
"""The first is the default."""
REPORTS = ("text/html", "text/plain", "text/xml")
REVISION = 3
"""Of how pictures and reports come out: one more when that changes, so that nothing kept from before is given."""
HOLD_PROFILE = frozenset({"image/jpeg", "image/png", "image/jp2", "image/jph"})
