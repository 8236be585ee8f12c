"""Static files: plotly.js straight from its wheel, and hashed names on disk."""

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import brotli
from django.contrib.staticfiles.finders import BaseFinder
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

from config.stylesheets import Sources, packed

_LARGE = 1_000_000
_PACKED = ("css/app.css", "css/admin.css")


class PlotlyFinder(BaseFinder):
    """Finds one file of Plotly's package, which also contains data sets.

    The package is located, not imported: importing it costs every process memory.
    """

    prefix = "plotly"
    file_name = "plotly.min.js"

    def __init__(self, app_names: object = None, *args: Any, **kwargs: Any) -> None:
        spec = importlib.util.find_spec("plotly")
        if spec is None or not spec.submodule_search_locations:
            raise ImproperlyConfigured("plotly is not installed: run `make install`")
        folder = Path(spec.submodule_search_locations[0]) / "package_data"
        self.storage = FileSystemStorage(location=folder)
        # collectstatic puts a finder's files below its storage's prefix.
        self.storage.prefix = self.prefix  # type: ignore[attr-defined]

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        return []

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        """Answer a path, or with `find_all` a list; the base class asks for both."""
        paths = []
        if path == f"{self.prefix}/{self.file_name}":
            paths = [self.storage.path(self.file_name)]
        if find_all or kwargs.get("all"):
            return paths
        return paths[0] if paths else []

    def list(
        self, ignore_patterns: Iterable[str] | None
    ) -> Iterator[tuple[str, FileSystemStorage]]:
        yield self.file_name, self.storage


class QuickCompressor(Compressor):  # type: ignore[misc]
    """Brotli's highest quality needs ten seconds for plotly.js alone; 5 needs 0.1."""

    @staticmethod
    def compress_brotli(data: bytes) -> bytes:
        quality = 5 if len(data) > _LARGE else 9
        return bytes(brotli.compress(data, quality=quality))


class HashedStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Names carry their content's hash, so browsers may keep every file for ever."""

    manifest_strict = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._urls: dict[str, str] = {}

    def url(self, name: str, force: bool = False) -> str:
        """Return the hashed URL, looked up once: a page has a dozen of them."""
        if force:
            return str(super().url(name, force))
        if name not in self._urls:
            self._urls[name] = super().url(name)
        return self._urls[name]

    def post_process(
        self, paths: Sources, dry_run: bool = False, **options: Any
    ) -> Iterator[Any]:
        """Pack the style sheets before hashing, and forget the URLs of the old ones."""
        self._urls.clear()
        yield from super().post_process(packed(paths, _PACKED), dry_run, **options)
        self._urls.clear()

    def create_compressor(self, **kwargs: Any) -> Compressor:
        return QuickCompressor(**kwargs)
