"""Small images as bytes, made without a library."""

import struct
import zlib


def png(width: int = 160, height: int = 40, *, extra: bytes = b"") -> bytes:
    """Return a gray PNG; `extra` is appended after its end."""
    rows = (b"\x00" + b"\x80" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
        + extra
    )


def jpeg(width: int = 160, height: int = 40) -> bytes:
    """Return the segments of a JPEG, with the size where decoders read it."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    return (
        b"\xff\xd8"
        + _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
        + _segment(0xC0, frame)
        + _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
        + b"\x00\xff\xd9"
    )


def webp(width: int = 160, height: int = 40, *, kind: bytes = b"VP8L") -> bytes:
    """Return a WebP of one of three kinds."""
    lossless = struct.pack("<BI", 0x2F, (width - 1) | (height - 1) << 14) + b"\x00"
    lossy = b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height)
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = {
        b"VP8L": _riff(b"VP8L", lossless),
        b"VP8 ": _riff(b"VP8 ", lossy),
        b"VP8X": _riff(b"VP8X", b"\x00" * 4 + sides) + _riff(b"VP8L", lossless),
    }
    body = b"WEBP" + chunks[kind]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def png_chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG with its sum."""
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def _riff(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\x00" * (len(data) % 2)
