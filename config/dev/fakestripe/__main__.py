"""Run the fake Stripe: `python -m config.dev.fakestripe --port 8010 --state FILE`."""

import argparse
import os
import signal
import sys
from pathlib import Path

from config.dev.fakestripe.access import OPEN
from config.dev.fakestripe.server import Server


def main() -> int:
    arguments = _arguments()
    key = os.environ.get("STRIPE_SECRET_KEY", "")
    if not (key or arguments.open):
        print("Set STRIPE_SECRET_KEY, or give --open for tests.", file=sys.stderr)
        return 2
    server = Server(arguments.port, arguments.state, OPEN if arguments.open else key)
    if arguments.webhook:
        # From the environment by default: arguments are seen by everyone in `ps`.
        known = os.environ.get("STRIPE_WEBHOOK_SECRET", "").partition(",")[0]
        secret = arguments.secret or known.strip()
        own = {"id": "we_own", "url": arguments.webhook, "secret": secret}
        server.controls.add_endpoint(own | {"host": arguments.webhook_host})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.start_threads()
    print(f"ready {server.base_url}", flush=True)
    try:
        server.serve_forever(poll_interval=0.5)
    except KeyboardInterrupt:
        return 0
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="config.dev.fakestripe", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=0, help="of 127.0.0.1; 0: a free one"
    )
    parser.add_argument("--state", type=Path, required=True, help="an SQLite file")
    parser.add_argument("--webhook", help="where events are sent")
    parser.add_argument("--webhook-host", help="the name it is known by")
    parser.add_argument("--open", action="store_true", help="accept every test key")
    parser.add_argument("--secret", default="", help="STRIPE_WEBHOOK_SECRET")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
