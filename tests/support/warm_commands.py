"""Run `manage.py` commands in forks of one process that has imported the product.

Importing it costs 4 s of CPU, and documents have thirty commands. The server runs in
the folder and environment of an installation; a client passes its arguments, files
and environment. A command in another environment starts another process, since
settings are read at the import.

Used as `python -m tests.support.warm_commands SOCKET` by the server, and as a script by
the client, which imports nothing of the product.
"""

import json
import os
import runpy
import signal
import socket
import sys
import traceback

_OF_THE_SHELL = {"_", "SHLVL", "PWD", "OLDPWD"}
_FILES = 3  # standard input, output and error


def serve(path: str) -> None:
    """Answer commands until the process is ended."""
    _import_product()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no command stays a zombie
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            client = listener.accept()[0]
            if os.fork() == 0:
                os._exit(_answer(client))
            client.close()


def _import_product() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django  # noqa: PLC0415

    django.setup()
    import config.urls  # noqa: F401, PLC0415


def _answer(client: socket.socket) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    text, files, _, _ = socket.recv_fds(client, 1 << 20, _FILES)
    argv, environment = json.loads(text)
    if not _is_same(environment):
        client.send(b"other")
        return 0
    for target, file in enumerate(files):
        os.dup2(file, target)
    code = _run(argv)
    client.send(str(code).encode())
    return code


def _is_same(environment: dict[str, str]) -> bool:
    ignored = {*_OF_THE_SHELL, "DJANGO_SETTINGS_MODULE"}
    given, own = (
        {name: value for name, value in items.items() if name not in ignored}
        for items in (environment, os.environ)
    )
    return given == own


def _run(argv: list[str]) -> int:
    """Run a script as Python does, and return its exit code."""
    sys.argv = argv
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def ask(path: str, argv: list[str]) -> None:
    """Run a command by the server, and end as it ends."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        text = json.dumps([argv, dict(os.environ)]).encode()
        socket.send_fds(server, [text], list(range(_FILES)))
        code = server.recv(16).decode()
    if code == "other":
        os.execv(sys.executable, [sys.executable, *argv])
    sys.exit(int(code or 1))


if __name__ == "__main__":
    if sys.argv[2:]:
        ask(sys.argv[1], sys.argv[2:])
    else:
        serve(sys.argv[1])
