"""Memory of processes in megabytes, as PSS: shared pages are counted once."""

from pathlib import Path

from config.dev.servers.process import children


def tree_megabytes(pid: int) -> float:
    """Return the memory of a process and all its descendants."""
    return _process_megabytes(pid) + sum(map(tree_megabytes, children(pid)))


def _process_megabytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0  # the process has ended
    kilobytes = next((int(x.split()[1]) for x in lines if x.startswith("Pss:")), 0)
    return kilobytes * 1024 / 1e6
