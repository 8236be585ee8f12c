"""A stylesheet with what it imports in it: one request instead of one for each part.

Only where files get hashed names; in development the browser follows the imports.
"""

import posixpath
import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile

# Where collectstatic finds a file: its storage, and its path in there.
Sources = dict[str, tuple[Any, str]]

_IMPORT = re.compile(r'@import url\("([^"]+)"\)(?: layer\(([\w-]+)\))?;\n?')
_ADDRESS = re.compile(r"url\((?!['\"]?data:)")


class PackedSheet:
    """Stands for the storage of one sheet, and opens it as it was packed."""

    def __init__(self, content: str) -> None:
        self._content = content.encode()

    def open(self, name: str) -> "ContentFile[bytes]":
        return ContentFile(self._content, name)


def packed(sources: Sources, names: tuple[str, ...]) -> Sources:
    """Return the sources with the named sheets packed, where they exist."""
    existing = [name for name in names if name in sources]
    return sources | {
        name: (PackedSheet(pack(sources, name)), name) for name in existing
    }


def pack(sources: Sources, name: str) -> str:
    """Return a sheet with every import replaced by its text, in its layer."""
    folder = posixpath.dirname(name)

    def part(match: re.Match[str]) -> str:
        path, layer = match.groups()
        own = posixpath.normpath(posixpath.join(folder, path))
        text = pack(sources, own)
        if posixpath.dirname(own) != folder and _ADDRESS.search(text):
            raise ImproperlyConfigured(f"{own}: an address would lead elsewhere here")
        return f"@layer {layer} {{\n{text}}}\n" if layer else text

    return _IMPORT.sub(part, _read(sources, name))


def _read(sources: Sources, name: str) -> str:
    storage, path = sources[name]
    with storage.open(path) as file:
        return str(file.read().decode())
