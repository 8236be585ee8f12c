"""Limits of the rows that one caller can cause by repeating what is refused.

In ten minutes a caller (a person or key that is known, or else an address) and an
account each get ten rows of a kind, and then one whenever their number has doubled. Of
these all callers together get a thousand, and then one of each thousand, so that one
caller uses up little of the others' share. So a million guesses leave a few dozen rows,
which state how many there were. Each process counts in its memory: no row depends on
another server.
"""

import threading
import time

WINDOW_SECONDS = 600
ROWS_OF_ONE = 10  # of a caller or account, in a window
ROWS_OF_ALL = 1_000  # of a kind, in a window and process
_MOST_COUNTERS = 50_000  # some megabytes


class Repeats:
    """Counters of the present window; a new window forgets them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window = 0
        self._counters: dict[tuple[str, ...], int] = {}

    def count(self, kind: str, *, caller: str, account: str) -> int | None:
        """Count an event; return its number in the window, or None if it gets no row.

        The number is the larger one of those of the caller and of the account.
        """
        with self._lock:
            self._begin_window()
            of_caller = self._increase((kind, "caller", caller)) if caller else 1
            of_account = self._increase((kind, "account", account)) if account else 1
            is_due = _is_due(of_caller) and _is_due(of_account)
            is_written = is_due and _is_within_all(self._increase((kind,)))
        return max(of_caller, of_account) if is_written else None

    def forget(self) -> None:
        """Begin a new window."""
        with self._lock:
            self._counters.clear()

    def _begin_window(self) -> None:
        window = int(time.monotonic() // WINDOW_SECONDS)
        if window != self._window:
            self._window = window
            self._counters.clear()

    def _increase(self, key: tuple[str, ...]) -> int:
        """Return the new count of a key, or 1 if there are too many keys to count.

        The kinds come first and always have a counter: the limit of all callers holds.
        """
        is_full = len(self._counters) >= _MOST_COUNTERS and len(key) > 1
        if is_full and key not in self._counters:
            return 1
        self._counters[key] = self._counters.get(key, 0) + 1
        return self._counters[key]


def _is_due(of_one: int) -> bool:
    return of_one <= ROWS_OF_ONE or _has_doubled(of_one)


def _is_within_all(of_all: int) -> bool:
    return of_all <= ROWS_OF_ALL or of_all % ROWS_OF_ALL == 0


def _has_doubled(count: int) -> bool:
    return count & (count - 1) == 0


repeats = Repeats()
