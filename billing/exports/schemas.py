"""Files as they are sent: the CSV, its manifest, or both in an archive."""

import json
import zipfile
from collections.abc import Iterable
from tempfile import SpooledTemporaryFile
from typing import IO, Any

MANIFEST_NAME = "manifest.json"
_IN_MEMORY = 8 << 20  # bytes of an archive; a larger one is a file on disk meanwhile
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same rows make the same archive


def manifest_json(manifest: dict[str, Any]) -> bytes:
    """Return the manifest as indented JSON."""
    return json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n"


class Archive:
    """A ZIP archive of a CSV file and its manifest, which is known after the rows."""

    def __init__(self) -> None:
        self.file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._zip = zipfile.ZipFile(self.file, "w", zipfile.ZIP_DEFLATED)

    def add(self, name: str, parts: Iterable[bytes]) -> None:
        """Write a file of the archive, part by part."""
        entry = zipfile.ZipInfo(name, _EPOCH)
        entry.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(entry, "w", force_zip64=True) as out:
            for part in parts:
                out.write(part)

    def finish(self) -> IO[bytes]:
        """Return the archive, to be read from its beginning."""
        self._zip.close()
        self.file.seek(0)
        return self.file
