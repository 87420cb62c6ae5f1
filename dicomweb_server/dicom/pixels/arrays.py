"""The array types that travel through the pixel code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.generic]
"""Stored cells: rows x columns, or rows x columns x samples."""

Reals = NDArray[np.floating[Any]]
"""Values after the modality stage."""

Grey = NDArray[np.uint8]
"""A display image: rows x columns grey, or rows x columns x 3 RGB."""
