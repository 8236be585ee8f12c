"""Run a Python module whose forked children end with it: `program MODULE ARGS`.

granian and Celery fork workers; a worker whose parent was killed would run on.
"""

import os
import runpy
import signal
import sys

from config.dev.servers import process


def main() -> None:
    os.register_at_fork(after_in_child=_die_with_parent)
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _die_with_parent() -> None:
    process.die_with_parent(signal.SIGKILL)


if __name__ == "__main__":
    main()
