"""Transfer syntaxes: what each says of a data set's encoding, and its media type (PS3.5 10, PS3.18 8.7.3)."""

from __future__ import annotations

from dataclasses import dataclass

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
JPEG_2000_MC_LOSSLESS = "1.2.840.10008.1.2.4.92"
JPEG_2000_MC = "1.2.840.10008.1.2.4.93"
JPEG_XL_LOSSLESS = "1.2.840.10008.1.2.4.110"
JPEG_XL_RECOMPRESSION = "1.2.840.10008.1.2.4.111"
JPEG_XL = "1.2.840.10008.1.2.4.112"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K = "1.2.840.10008.1.2.4.203"
GE_PRIVATE = "1.2.840.113619.5.2"

OCTET_STREAM = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    uid: str
    name: str
    explicit: bool = True
    little_endian: bool = True
    deflated: bool = False
    """The whole data set is one deflate stream."""
    encapsulated: bool = False
    lossy: bool = False
    video: bool = False
    media_type: str = OCTET_STREAM
    """Of one frame's stored bytes (of the whole stream for video)."""
    by_reference: bool = False
    """JPIP: a URL stands in place of the pixels (T-14)."""
    pixels_swapped: bool = False
    """Native pixel cells are big endian although the data set is not."""

    @property
    def servable(self) -> bool:
        """Whether data sets may leave the server in it as they are stored (C-07, C-31)."""
        return self.explicit and self.little_endian and not self.deflated


def _jpeg(number: int, name: str, media_type: str, *, lossy: bool) -> TransferSyntax:
    uid = f"1.2.840.10008.1.2.4.{number}"
    return TransferSyntax(uid, name, encapsulated=True, lossy=lossy, media_type=media_type)


def _retired(number: int, name: str) -> TransferSyntax:
    return TransferSyntax(f"1.2.840.10008.1.2.4.{number}", f"{name} (retired)", encapsulated=True, lossy=True)


def _video(tail: str, name: str, media_type: str) -> TransferSyntax:
    uid = f"1.2.840.10008.1.2.4.{tail}"
    return TransferSyntax(uid, name, encapsulated=True, lossy=True, video=True, media_type=media_type)


def _jpip(number: int, name: str, *, deflated: bool) -> TransferSyntax:
    return TransferSyntax(f"1.2.840.10008.1.2.4.{number}", name, deflated=deflated, by_reference=True)


_RETIRED = (
    _retired(52, "JPEG Extended, arithmetic"),
    _retired(53, "JPEG Spectral Selection"),
    _retired(54, "JPEG Spectral Selection, arithmetic"),
    _retired(55, "JPEG Full Progression"),
    _retired(56, "JPEG Full Progression, arithmetic"),
)
RETIRED_JPEG = frozenset(syntax.uid for syntax in _RETIRED)
"""Still found in archives; no media type names them."""

_ALL = (
    TransferSyntax(EXPLICIT_LE, "Explicit VR Little Endian"),
    TransferSyntax(IMPLICIT_LE, "Implicit VR Little Endian", explicit=False),
    TransferSyntax(EXPLICIT_BE, "Explicit VR Big Endian", little_endian=False),
    TransferSyntax(DEFLATED_LE, "Deflated Explicit VR Little Endian", deflated=True),
    TransferSyntax(ENCAPSULATED_UNCOMPRESSED, "Encapsulated Uncompressed Explicit VR Little Endian", encapsulated=True),
    TransferSyntax(DEFLATED_FRAME, "Deflated Image Frame Compression", encapsulated=True),
    TransferSyntax(RLE, "RLE Lossless", encapsulated=True, media_type="image/dicom-rle"),
    # The first of a media type is the one meant when no transfer syntax is named (PS3.18 Table 8.7.3-5).
    _jpeg(70, "JPEG Lossless, Non-Hierarchical, First-Order Prediction", "image/jpeg", lossy=False),
    _jpeg(50, "JPEG Baseline", "image/jpeg", lossy=True),
    _jpeg(51, "JPEG Extended", "image/jpeg", lossy=True),
    _jpeg(57, "JPEG Lossless, Non-Hierarchical", "image/jpeg", lossy=False),
    *_RETIRED,
    _jpeg(80, "JPEG-LS Lossless", "image/jls", lossy=False),
    _jpeg(81, "JPEG-LS Near-lossless", "image/jls", lossy=True),
    _jpeg(90, "JPEG 2000 (Lossless Only)", "image/jp2", lossy=False),
    _jpeg(91, "JPEG 2000", "image/jp2", lossy=True),
    _jpeg(92, "JPEG 2000 Part 2 Multi-component (Lossless Only)", "image/jpx", lossy=False),
    _jpeg(93, "JPEG 2000 Part 2 Multi-component", "image/jpx", lossy=True),
    _jpeg(201, "High-Throughput JPEG 2000 (Lossless Only)", "image/jphc", lossy=False),
    _jpeg(202, "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)", "image/jphc", lossy=False),
    _jpeg(203, "High-Throughput JPEG 2000", "image/jphc", lossy=True),
    _jpeg(110, "JPEG XL Lossless", "image/jxl", lossy=False),
    _jpeg(111, "JPEG XL JPEG Recompression", "image/jxl", lossy=True),
    _jpeg(112, "JPEG XL", "image/jxl", lossy=True),
    _video("101", "MPEG2 Main Profile / High Level", "video/mpeg"),
    _video("101.1", "Fragmentable MPEG2 Main Profile / High Level", "video/mpeg"),
    _video("100", "MPEG2 Main Profile / Main Level", "video/mpeg"),
    _video("100.1", "Fragmentable MPEG2 Main Profile / Main Level", "video/mpeg"),
    _video("102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", "video/mp4"),
    _video("102.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1", "video/mp4"),
    _video("103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", "video/mp4"),
    _video("103.1", "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", "video/mp4"),
    _video("104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", "video/mp4"),
    _video("104.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", "video/mp4"),
    _video("105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", "video/mp4"),
    _video("105.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", "video/mp4"),
    _video("106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", "video/mp4"),
    _video("106.1", "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", "video/mp4"),
    _video("107", "HEVC/H.265 Main Profile / Level 5.1", "video/H265"),
    _video("108", "HEVC/H.265 Main 10 Profile / Level 5.1", "video/H265"),
    _jpip(94, "JPIP Referenced", deflated=False),
    _jpip(95, "JPIP Referenced Deflate", deflated=True),
    _jpip(204, "JPIP HTJ2K Referenced", deflated=False),
    _jpip(205, "JPIP HTJ2K Referenced Deflate", deflated=True),
    TransferSyntax(GE_PRIVATE, "GE private implicit VR, big endian pixels", explicit=False, pixels_swapped=True),
)

SYNTAXES: dict[str, TransferSyntax] = {syntax.uid: syntax for syntax in _ALL}


def _by_media_type() -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {}
    for syntax in _ALL:
        if syntax.encapsulated and syntax.media_type != OCTET_STREAM:
            groups[syntax.media_type] = (*groups.get(syntax.media_type, ()), syntax.uid)
    return groups


MEDIA_TYPES: dict[str, tuple[str, ...]] = _by_media_type()
"""The transfer syntaxes of each compressed media type; the first is meant when none is named (T-01)."""


def syntax_of(uid: str) -> TransferSyntax:
    """What ``uid`` stands for; of an unknown one, an encapsulated form of Explicit VR Little Endian (PS3.5 A.4)."""
    return SYNTAXES.get(uid) or TransferSyntax(uid, "unknown", encapsulated=True)


TARGETS = frozenset(
    {
        EXPLICIT_LE,
        RLE,
        JPEG_BASELINE,
        JPEG_LOSSLESS,
        JPEG_LOSSLESS_SV1,
        JPEG_LS,
        JPEG_LS_NEAR,
        JPEG_2000_LOSSLESS,
        JPEG_2000,
        HTJ2K_LOSSLESS,
        HTJ2K_LOSSLESS_RPCL,
        HTJ2K,
    }
)
"""The transfer syntaxes frames can be given in, whatever they are stored in (``dicom.transcode``)."""
