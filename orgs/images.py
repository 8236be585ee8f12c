"""Uploaded images, checked by their content: the structure of each file is walked.

Nothing is decompressed, so that no upload can use much memory. SVG is not accepted: it
is a document that can have scripts and references to other hosts.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

LARGEST_FILE = 200_000  # bytes
SMALLEST_SIDE, LARGEST_SIDE = 16, 2_000  # pixels
MOST_RATIO = 8  # width by height: a logo is at most 320 x 40 pixels in an email
TYPES = ("image/png", "image/jpeg", "image/webp")
_PNG = b"\x89PNG\r\n\x1a\n"
# Markers of JPEG without a length, and those of frames, which state the size.
_BARE = {0x01, *range(0xD0, 0xD8)}
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9


class ImageRefused(ValueError):
    """An upload that is not an image that can be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Image:
    """The bytes of an image, what they are, and the size in pixels."""

    data: bytes
    content_type: str
    width: int
    height: int


def read_image(data: bytes) -> Image:
    """Return the image of an upload; raises `ImageRefused` with a sentence."""
    if len(data) > LARGEST_FILE:
        raise ImageRefused("The file is larger than 200 kB. Choose a smaller image.")
    try:
        content_type, (width, height) = _measure(data)
    except (ValueError, IndexError, struct.error):
        raise ImageRefused(
            "The file is damaged, or is not a PNG, JPEG, or WebP image."
        ) from None
    _check_size(width, height)
    return Image(data, content_type, width, height)


def _check_size(width: int, height: int) -> None:
    if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in (width, height)):
        raise ImageRefused(
            f"The image has {width} x {height} pixels. Each side must have"
            f" {SMALLEST_SIDE} to {LARGEST_SIDE:,}."
        )
    if max(width, height) > MOST_RATIO * min(width, height):
        raise ImageRefused(
            f"The image has {width} x {height} pixels. One side must be at most"
            f" {MOST_RATIO} times as long as the other."
        )


def _measure(data: bytes) -> tuple[str, tuple[int, int]]:
    """Return type and size; raises `ValueError` and the like for anything else."""
    if data.startswith(_PNG):
        return "image/png", _measure_png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg", _measure_jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp", _measure_webp(data)
    raise ValueError


def _measure_png(data: bytes) -> tuple[int, int]:
    """Check the sum of each chunk, and that nothing follows the last one."""
    position, names = len(_PNG), list[bytes]()
    while position < len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        [checksum] = struct.unpack_from(">I", data, end)
        if zlib.crc32(data[position + 4 : end]) != checksum or names[-1:] == [b"IEND"]:
            raise ValueError
        names.append(name)
        position = end + 4
    if names[0] != b"IHDR" or names[-1] != b"IEND" or b"IDAT" not in names:
        raise ValueError
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _measure_jpeg(data: bytes) -> tuple[int, int]:
    """Walk the segments up to the scan, which has to be preceded by a frame."""
    if data[-2:] != bytes((0xFF, _END)):
        raise ValueError
    position, size = 2, None
    while True:
        if data[position] != 0xFF:  # noqa: PLR2004  what begins each marker
            raise ValueError
        marker = data[position + 1]
        if marker == _SCAN and size is not None:
            return size
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            size = (width, height)
        if marker == 0xFF:  # noqa: PLR2004  padding
            position += 1
        elif marker in _BARE:
            position += 2
        else:
            [length] = struct.unpack_from(">H", data, position + 2)
            position += 2 + length


def _measure_webp(data: bytes) -> tuple[int, int]:
    """Return the size of the first chunk that states it; the lengths must add up."""
    [length] = struct.unpack_from("<I", data, 4)
    if length + 8 != len(data):
        raise ValueError
    sizes, has_pixels = [], False
    for name, start in _webp_chunks(data):
        has_pixels |= name in (b"VP8 ", b"VP8L", b"ANMF")
        if name == b"VP8X":
            sizes.append((_int24(data, start + 4) + 1, _int24(data, start + 7) + 1))
        elif name == b"VP8L":
            sizes.append(_lossless_size(data, start))
        elif name == b"VP8 ":
            sizes.append(_lossy_size(data, start))
    if not has_pixels or not sizes:
        raise ValueError
    return sizes[0]


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    position = 12
    while position < len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        yield name, position + 8
        position += 8 + length + length % 2
    if position != len(data):
        raise ValueError


def _int24(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 3], "little")


def _lossless_size(data: bytes, start: int) -> tuple[int, int]:
    signature, bits = struct.unpack_from("<BI", data, start)
    if signature != 0x2F:  # noqa: PLR2004  of the format
        raise ValueError
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _lossy_size(data: bytes, start: int) -> tuple[int, int]:
    if data[start + 3 : start + 6] != b"\x9d\x01\x2a":
        raise ValueError
    width, height = struct.unpack_from("<HH", data, start + 6)
    return width & 0x3FFF, height & 0x3FFF
