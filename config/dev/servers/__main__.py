"""Run Orgdesk until Ctrl-C: `python -m config.dev.servers --port 8000`."""

import argparse
import sys
from functools import partial

from config.dev.servers import environment, folders, guard, paths, supervisor
from config.dev.servers.process import StartError


def main() -> int:
    port = _arguments().port
    state = paths.state_dir()
    try:
        if problem := environment.url_problem():
            raise StartError(problem)
        folders.make_state(state)
        folders.lock(state)
        supervisor.check_port(port)
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    return guard.run_guarded(partial(supervisor.run, state, port))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="config.dev.servers", description=__doc__)
    parser.add_argument(
        "--port", type=_port, default=8000, help="a port of 127.0.0.1 (default: 8000)"
    )
    return parser.parse_args()


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"PORT must be 1 to 65535, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
