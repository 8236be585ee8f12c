"""Large responses, sent as fast as the client reads them and no faster.

The web server buffers whatever an application gives it, but reads a file only as the
socket takes more. It is therefore given the end of a pipe as a file: a pipe holds 64
kB, so the writer at the other end knows when the client reads, and when not.
"""

import asyncio
import os

SEND_SECONDS = 30.0  # for each 64 kB; a client that reads more slowly is cut off


class Pipe:
    """A pipe whose reading end the web server opens by its path.

    The first data must exceed the pipe's capacity: our reading end stays open until
    something was read, for before the web server has not opened the pipe.
    """

    def __init__(self) -> None:
        self.reader: int | None = None
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)

    @property
    def path(self) -> str:
        """The path by which this process can open the reading end."""
        return f"/proc/self/fd/{self.reader}"

    def close_reader(self) -> None:
        """Close our reading end, so that a client that leaves is seen as an error."""
        if self.reader is not None:
            os.close(self.reader)
            self.reader = None

    def close(self) -> None:
        """Close both ends; bytes that were announced and not written cut the client."""
        self.close_reader()
        os.close(self.writer)

    async def write(self, data: bytes) -> None:
        """Write all data; raise `TimeoutError`, or `OSError` if the client left."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.writer, view) :]
            except BlockingIOError:
                await self._await_room()

    async def _await_room(self) -> None:
        """Wait until something was read; then the web server has opened the pipe."""
        loop = asyncio.get_running_loop()
        room = asyncio.Event()
        loop.add_writer(self.writer, room.set)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await room.wait()
        finally:
            loop.remove_writer(self.writer)
        self.close_reader()
