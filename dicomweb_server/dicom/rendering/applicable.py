"""Which items of a presentation state are for a frame (PS3.3 C.11.8, C.10.5)."""

from __future__ import annotations

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering.picture import Subject

_IMAGES, _INSTANCE, _FRAMES = "00081140", "00081155", "00081160"


def for_frame(items: list[Attributes], subject: Subject) -> Attributes:
    """The first item that is for this frame: those that name no image are for all."""
    return next((item for item in items if concerns(item, subject)), Attributes({}))


def concerns(item: Attributes, subject: Subject) -> bool:
    named = item.items(_IMAGES)
    own = [image for image in named if image.text(_INSTANCE) == subject.attributes.text("00080018")]
    return not named or any(not image.values(_FRAMES) or subject.number + 1 in image.numbers(_FRAMES) for image in own)
