"""The WSGI application that `config.server` serves."""

import gc
import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Whatever serves this is a web process, which refuses to start unsafe.
os.environ.setdefault("ORGDESK_PROCESS", "web")
django_application = get_wsgi_application()

# Both need the applications loaded.
from config.fast_path import FastPath  # noqa: E402
from config.server.forwarded import ForwardedHeaders  # noqa: E402

application = ForwardedHeaders(FastPath(django_application))


def _settle() -> None:
    """Take what is loaded once out of what the garbage collector looks through.

    Django's own objects stay to the end; without this each full collection visits them
    all, in the middle of a request.
    """
    import_module("config.urls")
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


_settle()
