"""What a presentation state refers to, as far as it is here (PS3.18 8.3.5.1.6; R-15)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering.inputs import BASE
from dicomweb_server.dicom.rendering.plane import Plane, Planes
from dicomweb_server.dicom.rendering.registration import SPATIAL_REGISTRATION, registered
from dicomweb_server.model.errors import NotAcceptable, NotFound
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.retrieve import referenced
from dicomweb_server.retrieve.nature import ADVANCED_BLENDING, BLENDING, Nature, every_frame, nature_of
from dicomweb_server.retrieve.referenced import Shown, Wanted
from dicomweb_server.retrieve.shelf import Held, Shelf

MOST_BLENDED = 16384
"""Frames of all inputs of a blending state, those it is for not counted."""
_ENOUGH = MOST_BLENDED + 1


@dataclass(frozen=True, slots=True)
class Presented:
    """What a presentation state shows."""

    images: Sequence[tuple[Held, Sequence[int]]]
    """Each with its frames, in the order to be shown."""
    named: int
    """Images that the state refers to; those that are not here, or lack all the frames it names, are not shown."""


@dataclass(frozen=True, slots=True)
class Input:
    """Frames that are blended with others."""

    number: int
    frames: Sequence[tuple[Held, int]]
    planes: Planes | None
    """Of the frames; None where none of them says where it lies. If any does, the others are left out."""
    registration: Held | None = None

    def partner(self, place: Plane | None) -> tuple[Held, int] | None:
        """The frame to lay beside one that lies there; without a place, the only one if there is no more than that."""
        if place is None or self.planes is None:
            return self.frames[0] if len(self.frames) == 1 else None
        closest = self.planes.closest(place)
        return self.frames[closest] if closest is not None else None


@dataclass(frozen=True, slots=True)
class By:
    """A presentation state, and all that it adds to the images that it shows."""

    state: Held
    inputs: Sequence[Input] = ()
    registration: tuple[Held, Attributes] | None = None
    """Of the images themselves."""

    @property
    def versions(self) -> str:
        """The same as long as nothing of it changes."""
        images = dict.fromkeys(held.version.version for each in self.inputs for held, _ in each.frames)
        registrations = (each.version.version for each in self.registrations().values())
        return " ".join((self.state.version.version, *images, *registrations))

    def registrations(self) -> dict[int, Held]:
        """By the number of the input, those of the images themselves under ``BASE``."""
        own = {} if self.registration is None else {BASE: self.registration[0]}
        return own | {each.number: each.registration for each in self.inputs if each.registration is not None}


@dataclass(frozen=True, slots=True)
class References:
    shelf: Shelf

    async def presented(self, state: Held) -> Presented:
        """What is here of what a state is for. Raises NotAcceptable where nothing is."""
        attributes = await self._attributes(state.key)
        named: Mapping[InstanceKey, Wanted]
        if state.version.sop_class == ADVANCED_BLENDING:
            named = await self._whole(referenced.shown_input(state.key, attributes))
        else:
            named = await asyncio.to_thread(referenced.references, state.key, attributes)
        found = await self._found(named)
        if not found:
            raise NotAcceptable("none of the images that the presentation state refers to is here")
        return Presented(referenced.in_order(found), len(named))

    async def by(self, state: Held) -> By:
        """The state with what it blends. Raises NotAcceptable where it blends and nothing of that is here."""
        if state.version.sop_class not in {BLENDING, ADVANCED_BLENDING}:
            return By(state)
        attributes = await self._attributes(state.key)
        own = await self._registration(referenced.own_registrations(state.key, attributes))
        inputs: list[Input] = []
        for each in await asyncio.to_thread(referenced.blended_inputs, state.key, attributes):
            inputs.append(await self._input(each, own if each.as_the_others else None))
            if sum(len(found.frames) for found in inputs) > MOST_BLENDED:
                raise NotAcceptable(f"no more than {MOST_BLENDED} frames are blended with others")
        if not any(each.frames for each in inputs):
            raise NotAcceptable("none of the images that the presentation state blends with others is here")
        return By(state, inputs, own)

    async def partners(self, held: Held, frames: Sequence[int], by: By) -> list[list[tuple[int, Held, int]]]:
        """For each frame of an image those it is blended with: number of the input, image and frame."""
        attributes = await self._attributes(held.key)
        register = by.registration[1] if by.registration is not None else None

        def closest() -> list[list[tuple[int, Held, int]]]:
            found: list[list[tuple[int, Held, int]]] = []
            for frame in frames:
                place = registered(attributes, frame - 1, register)
                pairs = ((each.number, each.partner(place)) for each in by.inputs)
                found.append([(number, *other) for number, other in pairs if other is not None])
            return found

        return await asyncio.to_thread(closest)

    async def _input(self, named: referenced.Named, own: tuple[Held, Attributes] | None) -> Input:
        registration = own or await self._registration(named.registrations)
        register = registration[1] if registration is not None else None
        images = await self._found(await self._whole(named))

        def placed() -> Input:
            found = [(held, attributes, frame) for held, attributes, frames in images for frame in frames[:_ENOUGH]]
            planes = [registered(attributes, frame - 1, register) for _, attributes, frame in found[:_ENOUGH]]
            located = [place for place, plane in enumerate(planes) if plane is not None]
            return Input(
                named.number,
                [(found[place][0], found[place][2]) for place in located or range(len(found))],
                Planes([plane for plane in planes if plane is not None]) if located else None,
                registration[0] if registration is not None else None,
            )

        return await asyncio.to_thread(placed)

    async def _whole(self, named: referenced.Named) -> Mapping[InstanceKey, Wanted]:
        """The images of an input; all of its series where it names none. Raises NotAcceptable for too many."""
        if named.images or named.series is None:
            return named.images
        held = await self.shelf.instances(named.series)
        if len(held) > referenced.MOST_REFERRED:
            raise NotAcceptable(f"presentation states of more than {referenced.MOST_REFERRED} images are not drawn")
        return {each.key: Wanted() for each in held}

    async def _registration(self, named: Sequence[InstanceKey]) -> tuple[Held, Attributes] | None:
        """The first spatial registration of them that is here."""
        for key in named:
            try:
                held = await self.shelf.instance(key)
            except NotFound:
                continue
            if held.version.sop_class == SPATIAL_REGISTRATION:
                return held, await self._attributes(key)
        return None

    async def _found(self, named: Mapping[InstanceKey, Wanted]) -> list[Shown[Held]]:
        found: list[Shown[Held]] = []
        for key, wanted in named.items():
            try:
                held = await self.shelf.instance(key)
            except NotFound:
                continue
            if nature_of(held) is Nature.IMAGE:
                attributes = await self._attributes(key)
                frames = wanted.of(attributes, every_frame(held))
                if frames:
                    found.append((held, attributes, frames))
        return found

    async def _attributes(self, key: InstanceKey) -> Attributes:
        def read() -> Attributes:
            (row,) = self.shelf.catalog.holdings.metadata(key)
            return Attributes(orjson.loads(row))

        return await asyncio.to_thread(read)
