"""Text that may stand in a header."""

from __future__ import annotations

import re


def printable(text: str, *, length: int = 200) -> str:
    """``text`` in visible ASCII, and no longer than ``length``: it may quote what a client or a file says."""
    return re.sub(r"[^\x20-\x7e]", "?", text[:length])


def warning(base: str, text: str) -> str:
    """The value of a Warning header, as PS3.18 writes it (Q-12, Q-41)."""
    return f"299 {base}: {printable(text, length=1000)}"
