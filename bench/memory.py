"""Memory of processes, shared pages counted once: PSS, in megabytes."""

from pathlib import Path

from config.dev.servers.process import children


def of_tree(pid: int) -> float:
    """The process and everything below it."""
    return _of(pid) + sum(map(of_tree, children(pid)))


def _of(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0  # ended while we looked
    kilobytes = next((int(x.split()[1]) for x in lines if x.startswith("Pss:")), 0)
    return kilobytes * 1024 / 1e6
