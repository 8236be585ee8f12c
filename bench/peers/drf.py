"""Django REST framework with authentication, a throttle, a serializer and a view."""

from django.core.wsgi import get_wsgi_application

from bench.peers.project import configure

configure(
    ROOT_URLCONF="bench.peers.drf_views",
    AUTH_USER_MODEL="tables.Person",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "bench.peers.tables.apps.TablesConfig",
    ],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
application = get_wsgi_application()
