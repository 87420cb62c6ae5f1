"""Planes of frames in the coordinates of a spatial registration (PS3.3 C.20.2; R-15)."""

from __future__ import annotations

import numpy as np

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Reals
from dicomweb_server.dicom.rendering.plane import Plane, plane_of

SPATIAL_REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.1"
_FRAME_OF_REFERENCE, _INSTANCE = "00200052", "00080018"
_REGISTRATIONS, _MATRICES, _MATRIX_ITEMS, _MATRIX = "00700308", "00700309", "0070030A", "300600C6"
_IMAGES, _IMAGE = "00081140", "00081155"
_MOST_MATRICES = 64


def registered(attributes: Attributes, frame: int, registration: Attributes | None) -> Plane | None:
    """The plane of a frame, from 0, in registered coordinates where the registration has a matrix for its image."""
    plane = plane_of(attributes, frame)
    if plane is None or registration is None:
        return plane
    matrix = _matrix(attributes, plane.reference, registration)
    return plane if matrix is None else plane.moved(matrix, registration.text(_FRAME_OF_REFERENCE))


def _matrix(attributes: Attributes, reference: str, registration: Attributes) -> Reals | None:
    """Of the image itself if it is named, else of its frame of reference."""
    items = registration.items(_REGISTRATIONS)
    own = attributes.text(_INSTANCE)
    named = (item for item in items if any(image.text(_IMAGE) == own for image in item.items(_IMAGES)))
    shared = (item for item in items if item.text(_FRAME_OF_REFERENCE) == reference)
    item = next(named, None) or next(shared, None)
    if item is None:
        return None
    found = np.eye(4)
    for step in item.item(_MATRICES).items(_MATRIX_ITEMS)[:_MOST_MATRICES]:
        values = step.numbers(_MATRIX)
        if len(values) != 16:
            return None
        found = np.array(values).reshape(4, 4) @ found
    return found
