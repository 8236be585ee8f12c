"""Django's settings, from the environment only.

No `DATABASE_URL` or `REDIS_URL` means the embedded servers that `make up` runs; where
they listen follows from `STATE_DIR` alone, so every command finds them by itself.
"""

import zoneinfo
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from celery.schedules import crontab
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config.dev.servers import paths
from config.mail import email_settings
from config.sso.options import read_options
from metrics.events import read_retention
from orgs.crypto import read_keys
from orgs.days import read_days
from orgs.decimals import keep_all_digits
from orgs.networks import all_loopback, read_networks

keep_all_digits()  # of money, in every process and thread

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()


def _flag(name: str, *, default: bool) -> bool:
    """Read a boolean; unknown text refuses to start instead of meaning False."""
    text = env.str(name, "").strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    if text:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {text!r}")
    return default


def _number(name: str, default: int, *, at_most: int) -> int:
    """Read a whole number from 1 to a limit; refuse to start with any other text."""
    text = env.str(name, "").strip() or str(default)
    is_number = text.isascii() and text.isdecimal() and len(text) < 10  # noqa: PLR2004
    if not is_number or not 1 <= int(text) <= at_most:
        raise ImproperlyConfigured(f"{name} must be a number from 1 to {at_most}")
    return int(text)


STATE_DIR = paths.state_dir()
DEBUG = _flag("DEBUG", default=False)
# Off only where the product itself listens on loopback without TLS (`make up`, tests).
HTTPS_ONLY = _flag("HTTPS_ONLY", default=True)
# Whether `make up` fills an empty database with the demo fleet.
DEMO = _flag("DEMO", default=True)
# How long connections and statements may last: web, worker, beat or command.
PROCESS = env.str("ORGDESK_PROCESS", "command")

SECRET_KEY = env.str("SECRET_KEY", "") or paths.read_secret_key(STATE_DIR)
if not SECRET_KEY:
    raise ImproperlyConfigured(
        f"SECRET_KEY is not set and there is none in the state folder {STATE_DIR}: run"
        " `make up` first, with the same STATE_DIR in both terminals, or set SECRET_KEY"
    )

# Secrets at rest: `id:base64 of 32 bytes,…`. The first key encrypts, all of them
# decrypt: put a new one in front, run `manage.py rotate_secrets`, drop the old one.
try:
    ENCRYPTION_KEYS = read_keys(env.str("ENCRYPTION_KEYS", ""), secret_key=SECRET_KEY)
except ValueError as error:
    raise ImproperlyConfigured(f"ENCRYPTION_KEYS: {error}") from None

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
# Proxies in front of us that report the client's address; forwarded headers of others
# are removed (`config.server.forwarded`).
TRUSTED_PROXIES = env.int("TRUSTED_PROXY_COUNT", 0)
if TRUSTED_PROXIES < 0:
    raise ImproperlyConfigured("TRUSTED_PROXY_COUNT must be 0 or more")
# Every name that we answer to leads to this machine only.
LOOPBACK_ONLY = not HTTPS_ONLY and not TRUSTED_PROXIES and all_loopback(ALLOWED_HOSTS)
# What is unsafe and allowed nevertheless, by name (`config.production`).
ALLOW_UNSAFE = frozenset(
    filter(None, map(str.strip, env.list("ALLOW_UNSAFE", default=[])))
)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SITE_NAME = "Orgdesk"

INSTALLED_APPS = [
    "config.apps.ConfigConfig",
    "billing.apps.BillingConfig",
    "metrics.apps.MetricsConfig",
    "orgs.apps.OrgsConfig",
    "config.apps.OrgdeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "django_htmx",
    "pghistory",
    "pgtrigger",
]

MIDDLEWARE = [
    "config.header_middleware.SecurityHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.page_middleware.PageGZipMiddleware",
    "config.middleware.RequestIdMiddleware",
    "config.security_middleware.SecurityLogMiddleware",
    "config.errors.ApiLanguageMiddleware",
    "config.page_middleware.PageCSPMiddleware",
    "config.page_middleware.PageSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.page_middleware.PageAuthenticationMiddleware",
    "config.middleware.PageLoginRequiredMiddleware",
    "config.two_factor.middleware.SecondFactorMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "config.reauthentication.ReauthenticationMiddleware",
    "config.page_middleware.PageMessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.page_middleware.PageHtmxMiddleware",
    "config.view_as.ViewAsMiddleware",
    "config.route_access.RoutePermissionMiddleware",
    "orgs.web.recent.RecentOrganizationsMiddleware",
    "config.middleware.HistoryMiddleware",
    "config.errors.DomainErrorMiddleware",
]

# Django finds a `templatetags` package only at the top of an app: these belong to a
# subject of one.
TEMPLATE_LIBRARIES = (
    "billing.access.templatetags.access_status",
    "billing.alerts.templatetags.alerts",
    "billing.console.templatetags.badges",
    "billing.console.templatetags.differences",
    "billing.console.templatetags.entitlements",
    "billing.console.templatetags.fleet",
    "billing.console.templatetags.organization_rows",
    "billing.customer_pages.templatetags.customer_pages",
    "billing.details.templatetags.details",
    "billing.setup.templatetags.setup",
    "billing.exports.templatetags.exports",
    "billing.forecast.templatetags.estimates",
    "billing.forecast.templatetags.tiles",
    "billing.needs_action.templatetags.reasons",
    "billing.stripe.templatetags.actions",
    "billing.stripe.templatetags.syncs",
    "billing.webhooks.templatetags.webhooks",
    "orgs.web.templatetags.charts",
    "orgs.web.templatetags.components",
    "orgs.web.templatetags.display",
    "orgs.web.templatetags.shell",
)

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.page",
            ],
            "libraries": {
                library.rpartition(".")[2]: library for library in TEMPLATE_LIBRARIES
            },
        },
    }
]

# --- PostgreSQL -------------------------------------------------------------------

_STATEMENT_SECONDS = {"web": 5, "worker": 60, "beat": 60}.get(PROCESS, 0)


# Two roles: the owner migrates, the application cannot change the history. `manage.py`
# says which one a command needs; web, worker, and beat are the application.
_ROLE = env.str("ORGDESK_DATABASE_ROLE", "")
_IS_OWNER = _ROLE == "owner" or (not _ROLE and PROCESS == "command")
DATABASE_URL_IS_SET = bool(env.str("DATABASE_URL", ""))
MIGRATION_DATABASE_URL = env.str("MIGRATION_DATABASE_URL", "")


def _application() -> tuple[str, str]:
    """Return name and password of the application's role; empty if it is the owner."""
    if not DATABASE_URL_IS_SET:
        return paths.APPLICATION_ROLE, ""
    if not MIGRATION_DATABASE_URL:
        return "", ""
    database = env.db_url_config(env.str("DATABASE_URL"))
    return str(database["USER"]), str(database["PASSWORD"])


APPLICATION_ROLE, APPLICATION_PASSWORD = _application()


def _database() -> dict[str, Any]:
    url = env.str("DATABASE_URL", "")
    if _ROLE == "owner" and MIGRATION_DATABASE_URL:
        url = MIGRATION_DATABASE_URL
    database: dict[str, Any] = (
        env.db_url_config(url) if url else paths.database(STATE_DIR, is_owner=_IS_OWNER)
    )
    database["ENGINE"] = "config.postgresql"
    options = database.setdefault("OPTIONS", {})
    options.setdefault("connect_timeout", 5)
    # Django prepares no statement by default: `orgs.queries.prepared` asks for it,
    # because planning would cost more than reading. 0 behind a pooler that lends a
    # connection for a transaction and cannot keep what was prepared.
    is_prepared = _flag("PREPARED_STATEMENTS", default=True)
    options.setdefault("prepare_threshold", 5 if is_prepared else None)
    # If `pgtrigger.ignore` had no value, each check whether a trigger is ignored would
    # fail, and each failure would search all deferred work of the transaction.
    options["options"] = (
        f"-c statement_timeout={_STATEMENT_SECONDS}s -c lock_timeout=10s"
        " -c idle_in_transaction_session_timeout=60s -c timezone=UTC"
        " -c pgtrigger.ignore={}"
    )
    # By default PostgreSQL plans a statement with a list of ids again each time: a
    # list of one looks cheaper than one of ten. That was a third of the time of the
    # alerts tab. `test_plans` checks the plans that are cached.
    if PROCESS == "web":
        options["options"] += " -c plan_cache_mode=force_generic_plan"
    # The web process's threads are few and stay: each keeps its connection, for a new
    # one costs more than many a page. Health checks make a restarted PostgreSQL cost no
    # failed request.
    max_age = None if PROCESS == "web" else 60
    return database | {"CONN_MAX_AGE": max_age, "CONN_HEALTH_CHECKS": True}


DATABASES = {"default": _database()}
if not env.str("DATABASE_URL", ""):
    # Days are cut in PostgreSQL and in Python: by the same rules of time zones, where
    # we can choose. Elsewhere a check compares them (`metrics.apps`).
    zoneinfo.reset_tzpath([*paths.time_zone_folders(), *zoneinfo.TZPATH])

# --- Valkey, Celery ---------------------------------------------------------------

REDIS_URL = env.str("REDIS_URL", "") or paths.redis_url(STATE_DIR)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "orgdesk",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}
CELERY_BROKER_URL = paths.broker_url(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = 600
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A worker without `-Q` serves all queues in this order: while tasks wait for Stripe, or
# for targets of users, usage is rolled up and alerts are evaluated as soon as a process
# is free.
CELERY_TASK_QUEUES: dict[str, dict[str, Any]] = {
    "celery": {},
    "stripe": {},
    "targets": {},
}
# What a person waits for goes before the rest: 0 is Redis's highest.
CELERY_TASK_ROUTES = {
    f"billing.{name}": {"queue": "stripe", "priority": priority}
    for name, priority in (
        ("stripe.tasks.do_action", 0),
        ("stripe.tasks.resolve_discrepancy", 0),
        ("stripe.tasks.handle_event", 6),
        ("ledger.tasks.make_usage_invoice", 6),
        ("stripe.tasks.pull_events", 6),
        ("stripe.tasks.run_sync", 6),
        ("stripe.tasks.refresh_upcoming_invoices", 6),
        ("ledger.tasks.send_charges", 6),
    )
} | {
    # The queue of usage and alerts, but after these.
    "billing.exports.tasks.write_export": {"queue": "celery", "priority": 6},
    "metrics.tasks.push_due": {"queue": "targets"},
    "billing.webhooks.tasks.deliver_webhooks": {"queue": "targets"},
}
# A silent broker must not hold a web request: the row is safe, the sweep finds it.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "queue_order_strategy": "sorted",
    "visibility_timeout": 900,
    "socket_timeout": 5,
    "socket_connect_timeout": 1,
    "max_retries": 1,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "sweep-jobs": {
        "task": "orgs.tasks.sweep_jobs",
        "schedule": crontab(minute="*"),
    },
    "sweep-rerates": {
        "task": "metrics.tasks.sweep_rerates",
        "schedule": crontab(minute="*"),
    },
    "make-partitions": {
        "task": "metrics.tasks.make_partitions",
        "schedule": crontab(minute="7", hour="*/6"),
    },
    "drop-partitions": {
        "task": "metrics.tasks.drop_partitions",
        "schedule": crontab(minute="37", hour="*/6"),
    },
    "record-storage-days": {
        # Days end at full, half, and quarter hours, depending on the time zone.
        "task": "metrics.tasks.record_storage_days",
        "schedule": crontab(minute="2,17,32,47"),
        "options": {"expires": 900},
    },
    "roll-up-usage": {
        "task": "metrics.tasks.roll_up_usage",
        "schedule": timedelta(seconds=10),
        "options": {"expires": 10},  # a worker that was away does it once
    },
    "push-due": {
        "task": "metrics.tasks.push_due",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},  # the next one does it
    },
    "sweep-rankings": {
        "task": "metrics.tasks.sweep_rankings",
        "schedule": crontab(minute="*/5"),
    },
    "sweep-webhook-events": {
        "task": "billing.stripe.tasks.sweep_webhook_events",
        "schedule": crontab(minute="*"),
    },
    "pull-events": {
        "task": "billing.stripe.tasks.pull_events",
        "schedule": crontab(minute="23"),
    },
    "prune-webhook-events": {
        "task": "billing.stripe.tasks.prune_webhook_events",
        "schedule": crontab(minute="11", hour="4"),
    },
    "sweep-actions": {
        "task": "billing.stripe.tasks.sweep_actions",
        "schedule": crontab(minute="*"),
    },
    "sweep-charges": {
        "task": "billing.ledger.tasks.sweep_charges",
        "schedule": crontab(minute="*"),
    },
    "sweep-usage-invoices": {
        "task": "billing.ledger.tasks.sweep_usage_invoices",
        "schedule": crontab(minute="*/15"),
    },
    "sweep-ended-months": {
        "task": "billing.ledger.tasks.sweep_ended_months",
        "schedule": crontab(minute="*/15"),
    },
    "evaluate-due": {
        "task": "billing.alerts.tasks.evaluate_due",
        "schedule": crontab(minute="*"),
        "options": {"expires": 60},
    },
    "sweep-alerts": {
        "task": "billing.alerts.tasks.sweep_alerts",
        "schedule": crontab(minute="41"),
        "options": {"expires": 3_600},
    },
    "sweep-limits": {
        "task": "billing.forecast.tasks.sweep_limits",
        "schedule": crontab(minute="*/15"),
        "options": {"expires": 900},
    },
    "sweep-usage-reasons": {
        "task": "billing.needs_action.tasks.sweep_usage_reasons",
        "schedule": crontab(minute="6,21,36,51"),
        "options": {"expires": 900},
    },
    "sweep-exports": {
        "task": "billing.exports.tasks.sweep_exports",
        "schedule": crontab(minute="*"),
        "options": {"expires": 60},
    },
    "sweep-account-emails": {
        "task": "orgs.tasks.sweep_account_emails",
        "schedule": crontab(minute="*"),
        "options": {"expires": 60},
    },
    "sweep-customer-links": {
        "task": "billing.customer_pages.tasks.sweep_customer_links",
        "schedule": crontab(minute="*"),
        "options": {"expires": 60},
    },
    "end-views-as": {
        "task": "orgs.tasks.end_views_as",
        "schedule": crontab(minute="*"),
        "options": {"expires": 60},
    },
    "delete-expired-sessions": {
        "task": "orgs.tasks.delete_expired_sessions",
        "schedule": crontab(minute="44"),
        "options": {"expires": 3_600},
    },
    "seal-history": {
        # Hourly: a long transaction puts it off until the next run.
        "task": "orgs.tasks.seal_history",
        "schedule": crontab(minute="17"),
        "options": {"expires": 3_600},
    },
    "verify-history": {
        "task": "orgs.tasks.verify_history",
        "schedule": crontab(minute="33", hour="5"),
        "options": {"expires": 3_600},
    },
    "delete-security-events": {
        "task": "orgs.tasks.delete_security_events",
        "schedule": crontab(minute="43", hour="4"),
        "options": {"expires": 3_600},
    },
    "delete-idempotency-keys": {
        "task": "orgs.tasks.delete_idempotency_keys",
        "schedule": crontab(minute="29"),
        "options": {"expires": 3_600},
    },
    "delete-expired-exports": {
        "task": "billing.exports.tasks.delete_expired_exports",
        "schedule": crontab(minute="52"),
        "options": {"expires": 3_600},
    },
    "end-snoozes": {
        "task": "billing.needs_action.tasks.end_snoozes",
        "schedule": crontab(minute="*"),
        "options": {"expires": 60},
    },
    "sweep-alert-emails": {
        # EMAILS_PER_MINUTE allows a burst of a sixth of it.
        "task": "billing.alerts.tasks.sweep_alert_emails",
        "schedule": timedelta(seconds=10),
        "options": {"expires": 10},  # a worker that was away does it once
    },
    "sweep-webhooks": {
        # Retries begin after seconds.
        "task": "billing.webhooks.tasks.sweep_webhooks",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},  # a worker that was away does it once
    },
    "delete-old-webhooks": {
        "task": "billing.webhooks.tasks.delete_old_webhooks",
        "schedule": crontab(minute="27", hour="3"),
        "options": {"expires": 3_600},
    },
    "sweep-syncs": {
        "task": "billing.stripe.tasks.sweep_syncs",
        "schedule": crontab(minute="*"),
    },
    "sweep-upcoming-invoices": {
        "task": "billing.stripe.tasks.sweep_upcoming_invoices",
        "schedule": crontab(minute="*/10"),
        "options": {"expires": 600},
    },
    "start-syncs": {
        "task": "billing.stripe.tasks.start_syncs",
        "schedule": crontab(minute="47", hour="2"),
    },
}

# --- Login ------------------------------------------------------------------------

AUTH_USER_MODEL = "orgs.User"
# One, which hashes once: each further one would hash a wrong password again.
AUTHENTICATION_BACKENDS = ["orgs.access.backends.RoleBackend"]
PASSWORD_HASHERS = ["config.hashing.BoundedHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "config.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email", "username"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# One address; a new one replaces it when its link was opened.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = f"[{SITE_NAME}] "  # not the host of the request
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_FORMS = {
    "add_email": "config.account_forms.AddEmailForm",
    "change_password": "config.account_forms.ChangePasswordForm",
    "reset_password_from_key": "config.account_forms.ResetPasswordKeyForm",
    "set_password": "config.account_forms.SetPasswordForm",
    "user_token": "config.account_forms.UserTokenForm",
}
# Passwords and codes are counted by `orgs.access.attempts`, over all ways to send them.
# Each of these requests sends an email.
ACCOUNT_RATE_LIMITS = {
    **dict.fromkeys(("login", "login_failed", "reauthenticate"), ""),
    "reset_password": "20/h/ip,3/h/key",
}
# Off by default only where all who can log in are on this machine.
REQUIRE_TWO_FACTOR = _flag("REQUIRE_TWO_FACTOR", default=not LOOPBACK_ONLY)
MFA_ADAPTER = "config.two_factor.adapter.FactorAdapter"
MFA_FORMS = {
    "add_webauthn": "config.two_factor.forms.AddPasskeyForm",
    "edit_webauthn": "config.two_factor.forms.RenamePasskeyForm",
    "authenticate_webauthn": "config.two_factor.forms.PasskeyForm",
    "login_webauthn": "config.two_factor.forms.PasskeyLoginForm",
    "reauthenticate_webauthn": "config.two_factor.forms.ReauthenticationPasskeyForm",
    "activate_totp": "config.two_factor.forms.ActivateTotpForm",
    "authenticate": "config.two_factor.forms.CodeForm",
    "reauthenticate": "config.two_factor.forms.ReauthenticationCodeForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
# Codes of the step before and after, too: clocks of phones differ.
MFA_TOTP_TOLERANCE = 1
# Single sign-on: one provider of OpenID Connect, or none.
try:
    SSO = read_options(
        {
            "OIDC_ISSUER": env.str("OIDC_ISSUER", ""),
            "OIDC_CLIENT_ID": env.str("OIDC_CLIENT_ID", ""),
            "OIDC_CLIENT_SECRET": env.str("OIDC_CLIENT_SECRET", ""),
            "OIDC_NAME": env.str("OIDC_NAME", ""),
            "OIDC_GROUPS_CLAIM": env.str("OIDC_GROUPS_CLAIM", ""),
            "OIDC_ROLES": env.str("OIDC_ROLES", ""),
        },
        enforces_two_factor=_flag("OIDC_ENFORCES_TWO_FACTOR", default=False),
    )
except ValueError as error:
    raise ImproperlyConfigured(str(error)) from None
SSO_ONLY = _flag("SSO_ONLY", default=False)
# Names of accounts that may log in with a password all the same.
SSO_BREAK_GLASS = frozenset(
    filter(None, map(str.strip, env.list("SSO_BREAK_GLASS", default=[])))
)
if (SSO_ONLY or SSO_BREAK_GLASS) and SSO is None:
    raise ImproperlyConfigured("SSO_ONLY and SSO_BREAK_GLASS require OIDC_ISSUER")
SOCIALACCOUNT_ADAPTER = "config.sso.adapter.SsoAdapter"
# Accounts are made by superusers and sign-up is closed, so addresses are not claimed.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = SITE_NAME

# --- Web --------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "config.staticfiles.PlotlyFinder",
]
_HASHED = "config.staticfiles.HashedStorage"
_PLAIN = "django.contrib.staticfiles.storage.StaticFilesStorage"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": _HASHED if _flag("HASHED_STATIC", default=True) else _PLAIN
    },
}
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_REDIRECT_EXEMPT = [r"^webhooks/"]  # signed; Stripe follows no redirect
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
SECURE_HSTS_PRELOAD = HTTPS_ONLY
SESSION_COOKIE_SECURE = HTTPS_ONLY
SESSION_COOKIE_NAME = "__Host-session" if HTTPS_ONLY else "session"
SESSION_ENGINE = "orgs.access.sessions"
# A session that was not used for so long ends, and each one so long after its login.
SESSION_IDLE = timedelta(minutes=_number("SESSION_IDLE_MINUTES", 60, at_most=1_440))
SESSION_LONGEST = timedelta(hours=_number("SESSION_MAX_HOURS", 12, at_most=168))
if SESSION_IDLE > SESSION_LONGEST:
    raise ImproperlyConfigured("SESSION_IDLE_MINUTES must be within SESSION_MAX_HOURS")
# How long a login or its confirmation is proof enough for changes of access and money.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
REAUTHENTICATION = timedelta(
    minutes=_number("REAUTHENTICATION_MINUTES", 15, at_most=60)
)
CSRF_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_HTTPONLY = True  # htmx reads the token from <body hx-headers>
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS_ONLY else "csrftoken"
X_FRAME_OPTIONS = "DENY"
MESSAGE_STORAGE = "config.messages.MessageStorage"
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440

# plotly.js 4 puts one style sheet of its map library into the page when it loads; it
# is harmless and allowed by its hash. Everything else comes from our own host.
_PLOTLY_STYLE = "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE, _PLOTLY_STYLE],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "manifest-src": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Without a mail host emails are printed; those about accounts only on loopback.
HAS_MAIL_HOST = bool(env.str("EMAIL_URL", ""))
vars().update(email_settings(env.str("EMAIL_URL", "")))
EMAIL_TIMEOUT = 10  # seconds of each step of a conversation with the host

# The public address: emails contain absolute links.
_NAMES = (name.lstrip(".") for name in ALLOWED_HOSTS)
_HOST = next((name for name in _NAMES if name[-1:].isalpha()), "localhost")
_SCHEME = "https" if HTTPS_ONLY else "http"
SITE_URL = env.str("SITE_URL", f"{_SCHEME}://{_HOST}").rstrip("/")
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", f"{SITE_NAME} <orgdesk@{_HOST}>")
# Of all workers together; a sixth of it may go at once.
EMAILS_PER_MINUTE = env.int("EMAILS_PER_MINUTE", 120)
# Workers that may wait for the mail host; the others evaluate limits.
EMAIL_CONCURRENCY = env.int("EMAIL_CONCURRENCY", 1)
# More emails than these to one address in these minutes are sent as one digest.
DIGEST_AFTER = env.int("DIGEST_AFTER", 5)
DIGEST_MINUTES = env.int("DIGEST_MINUTES", 10)

# --- Limits ---------------------------------------------------------------------

# Raising a hard limit above this amount, in the currency of the white label, needs a
# recent proof of presence.
LARGE_LIMIT = _number("LARGE_LIMIT", 10_000, at_most=999_999_999)

# --- API keys ---------------------------------------------------------------------
# A key that no call used in so many days is marked on the page of keys.
API_KEY_UNUSED_DAYS = _number("API_KEY_UNUSED_DAYS", 90, at_most=3_650)

# The published clients of contract A refuse a key that does not start with `ei_`.
API_KEY_PREFIX = env.str("API_KEY_PREFIX", "ei_")

# --- Stripe -----------------------------------------------------------------------

STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", "")
# Comma separated: two while one replaces the other. None: the webhook is a 404.
STRIPE_WEBHOOK_SECRET = env.list("STRIPE_WEBHOOK_SECRET", default=[])
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "")  # empty: Stripe's own
# Of all processes together. The fake Stripe has no limit.
STRIPE_CALLS_PER_SECOND = env.int(
    "STRIPE_CALLS_PER_SECOND", 1_000 if STRIPE_API_BASE else 20
)

# The API reference and the OpenAPI document, without a login: they hold no data, only
# what the source code holds, and generators of clients have no key.
PUBLIC_API_DOCS = env.bool("PUBLIC_API_DOCS", True)

# --- Requests to URLs of users ----------------------------------------------------

# Ports of public hosts: TLS, Prometheus' and Loki's own.
INTEGRATION_PORTS = frozenset(
    map(int, env.list("INTEGRATION_PORTS", default=["443", "3100", "9090"]))
)
# Private networks that may be contacted too, by `http://` and at any port as well.
try:
    OUTBOUND_ALLOWED_NETWORKS = read_networks(env.str("OUTBOUND_ALLOWED_NETWORKS", ""))
except ValueError as error:
    raise ImproperlyConfigured(f"OUTBOUND_ALLOWED_NETWORKS: {error}") from None

# --- Usage ------------------------------------------------------------------------

# Months of events older than this many days are dropped; unset, they stay for ever.
try:
    USAGE_EVENT_RETENTION = read_retention(env.str("USAGE_EVENT_RETENTION_DAYS", ""))
except ValueError as error:
    raise ImproperlyConfigured(f"USAGE_EVENT_RETENTION_DAYS {error}") from None

# --- Exports ----------------------------------------------------------------------

# How many days the file of a large export can be downloaded.
try:
    EXPORT_RETENTION = read_days(env.str("EXPORT_RETENTION_DAYS", "7"))
except ValueError as error:
    raise ImproperlyConfigured(f"EXPORT_RETENTION_DAYS {error}") from None

# --- Webhooks ---------------------------------------------------------------------

# How many days events, their deliveries, and the log of these are kept.
try:
    WEBHOOK_RETENTION = read_days(env.str("WEBHOOK_RETENTION_DAYS", "30"))
except ValueError as error:
    raise ImproperlyConfigured(f"WEBHOOK_RETENTION_DAYS {error}") from None

# --- History ----------------------------------------------------------------------

# How many days the security log is kept; its rows are evidence, so not a few.
try:
    SECURITY_LOG_RETENTION = read_days(
        env.str("SECURITY_LOG_RETENTION_DAYS", "400"), least=90, most=3_650
    )
except ValueError as error:
    raise ImproperlyConfigured(f"SECURITY_LOG_RETENTION_DAYS {error}") from None

PGHISTORY_MIDDLEWARE_METHODS = ("POST", "PUT", "PATCH", "DELETE")
PGHISTORY_ADMIN_ALL_EVENTS = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {"format": "%(message)s"},  # the message is a line of JSON
    },
    "filters": {"links": {"()": "config.log_filters.MaskedLinks"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["links"],
        },
        "security": {"class": "logging.StreamHandler", "formatter": "json"},
    },
    "loggers": {
        "orgdesk.security": {
            "handlers": ["security"],
            "level": "INFO",  # whatever LOG_LEVEL is
            "propagate": False,
        }
    },
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", "INFO").upper()},
}
