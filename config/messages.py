"""Messages to the next page: in a cookie that only this host can set."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class HostCookieStorage(CookieStorage):
    """Django's cookie, with the prefix that binds it to this host over TLS."""

    cookie_name = "__Host-messages" if settings.HTTPS_ONLY else "messages"


class MessageStorage(FallbackStorage):
    """The cookie, or the session for what is too long for it."""

    storage_classes = (HostCookieStorage, SessionStorage)
