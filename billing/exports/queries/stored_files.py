"""Files of exports as the database has them: pieces of one deflate stream.

Each piece ends at a byte and refers to nothing before it, so an interrupted export goes
on with the next piece, and an archive takes them as they are.
"""

import zlib
from collections.abc import Iterator

from billing.models import Export, ExportPart
from orgs.errors import NotFound

END = b"\x03\x00"  # a last, empty block
_LEVEL = 6
_RAW = -zlib.MAX_WBITS  # without the header of zlib


def deflate(data: bytes) -> bytes:
    """Return the data as a piece of a stream."""
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    return stream.compress(data) + stream.flush(zlib.Z_FULL_FLUSH)


def iterate_pieces(export: Export) -> Iterator[bytes]:
    """Yield the pieces of a file in order, one query for each.

    Raises `NotFound` if the file is deleted meanwhile: what was sent is not whole.
    """
    parts = ExportPart.objects.filter(export=export)
    for number in range(parts.count()):
        piece = parts.filter(number=number).values_list("content", flat=True).first()
        if piece is None:
            raise NotFound("The export was deleted.")
        yield bytes(piece)


def iterate_csv(export: Export) -> Iterator[bytes]:
    """Yield the CSV file in parts."""
    for piece in iterate_pieces(export):
        yield zlib.decompressobj(_RAW).decompress(piece)
