"""Django's settings, one file; what an operator may change is read from the environment by config.env."""

from typing import Any

import dj_database_url
from kombu import Queue

from accounts import csp
from config import basics, env, paths
from config import logging as log_lines
from config.headers import file_headers

BASE_DIR = paths.BASE_DIR
DATA_DIR = paths.DATA_DIR

# -- What this installation is -------------------------------------------------------------------------------

DEBUG = env.flag("DEBUG", default=False)
# Demo accounts with passwords that are printed and known; for a laptop, never for a public address.
DEMO = env.flag("DEMO", default=True)
PORT, BIND = basics.PORT, basics.BIND
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
# Served over TLS by a proxy in front: secure cookies, HSTS and https origins.
SECURE = env.flag("SECURE", default=False)


def _secret_key() -> str:
    """The installation's own key: from the environment, else made once and kept in the data directory."""
    given = env.text("SECRET_KEY", "")
    if given:
        return given
    from config.secret import kept_secret

    return kept_secret(DATA_DIR / "secret.key")


SECRET_KEY = _secret_key()

# -- Applications --------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "config",
    "accounts",
    "classroom",
    "live",
    "lessons",
    "sandboxes",
    "channels",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "template_partials",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "config.tracing.traced",
    "django.middleware.security.SecurityMiddleware",
    "config.headers.our_headers",
    "accounts.csp.PolicyMiddleware",
    # Django pads each answer at random, so that its length tells nothing of a secret in it (BREACH).
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context.shell",
            ],
        },
    }
]

# -- Database, Redis, Celery, Channels -----------------------------------------------------------------------

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASE_URL = env.text("DATABASE_URL", f"sqlite:///{DATA_DIR / 'millrace.sqlite3'}")


def _database(url: str) -> Any:
    """The database behind a URL; SQLite gets the options that let several processes write."""
    # Kept for the next request of the same thread: opening one costs more than what most pages ask of it.
    database: Any = dj_database_url.parse(url, conn_max_age=600, conn_health_checks=True)
    if database["ENGINE"] == "django.db.backends.sqlite3":
        # There is no line to a file that might have broken, so no request has to try it first.
        database["CONN_HEALTH_CHECKS"] = False
        # IMMEDIATE takes the write lock at BEGIN, where the busy time-out applies; a deferred transaction
        # that reads and then writes fails at once whatever the time-out (sqlite.org/lang_transaction.html).
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    return database


DATABASES = {"default": _database(DATABASE_URL)}

REDIS_URL = basics.REDIS_URL


def _celery_url(url: str) -> str:
    """Kombu spells a unix socket redis+socket://."""
    return "redis+socket://" + url.removeprefix("unix://") if url.startswith("unix://") else url


CELERY_BROKER_URL = _celery_url(REDIS_URL)
# A request that rings must not wait 6 s for a Redis that is down (kombu's default); the sweep rings again.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "provision"
CELERY_TASK_QUEUES = [Queue("provision"), Queue("grade"), Queue("housekeeping")]
CELERY_TASK_ROUTES = {
    "lessons.*": {"queue": "grade"},
    "sandboxes.tasks.sweep": {"queue": "housekeeping"},
    "config.*": {"queue": "housekeeping"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_TIME_LIMIT = 60
CELERY_BEAT_SCHEDULE = {
    "sweep-sandboxes": {"task": "sandboxes.tasks.sweep", "schedule": 10.0, "options": {"expires": 10}},
    "heartbeat": {"task": "config.tasks.heartbeat", "schedule": 5.0, "options": {"expires": 10}},
    "retention": {"task": "config.tasks.retention", "schedule": 3600.0, "options": {"expires": 3600}},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "sandboxes.layer.SiteLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "millrace"},
    }
}
CACHES = {"default": {"BACKEND": "config.cache.SteadyCache", "LOCATION": REDIS_URL}}

# -- Sandboxes -----------------------------------------------------------------------------------------------

SANDBOX_BACKEND = basics.SANDBOX_BACKEND
# Up to how many warm sandboxes a cluster keeps by rule; reservations count instead where they are more.
WARM_POOL = env.number("WARM_POOL", 2, least=0)

# For how many days the story of what was deleted is kept, and the longer one of what staff did; 0: for ever.
KEEP_HISTORY_DAYS = env.number("KEEP_HISTORY_DAYS", 90, least=0, most=36_500)
KEEP_AUDIT_DAYS = env.number("KEEP_AUDIT_DAYS", 730, least=0, most=36_500)

# -- Live view -----------------------------------------------------------------------------------------------

# How many tabs one person may have open on live pictures, per web process.
LIVE_TABS_PER_USER = env.number("LIVE_TABS_PER_USER", 60, least=1)

# -- Sign-in -------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "accounts.backend.Backend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"
# Whether anybody may make an account; otherwise accounts are handed out.
OPEN_SIGN_UP = env.flag("OPEN_SIGN_UP", default=False)
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# "ip" limits leave room for a class behind one address; "key" is the name that somebody tries passwords on.
ACCOUNT_RATE_LIMITS = {
    "login": "300/m/ip",
    "login_failed": "100/5m/ip,5/5m/key",
    "signup": "60/m/ip",
    "reset_password": "20/m/ip,5/5m/key",
    "change_password": "5/m/user",
}
SESSION_ENGINE = "accounts.session_store"
SESSION_COOKIE_AGE = 14 * 24 * 3600

# -- Security ------------------------------------------------------------------------------------------------

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_NAME = "__Host-session" if SECURE else "millrace-session"
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE else "millrace-csrf"
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS] if SECURE else []
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_REDIRECT_EXEMPT = [r"^(healthz/|readyz/|metrics)$"]
SECURE_SSL_REDIRECT = SECURE
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = csp.POLICY
CSRF_FAILURE_VIEW = "config.errors.form_refused"
# W005 and W021: whether other names under the operator's domain speak TLS is not ours to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# -- Mail ----------------------------------------------------------------------------------------------------

# Without a mail server nobody is mailed; pages that would need one say whom to ask instead.
EMAIL_HOST = env.text("EMAIL_HOST", "")
EMAIL_PORT = env.port("EMAIL_PORT", 587)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", default=True)
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "millrace@localhost")

# -- Static files --------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_FINDERS = ["config.static.SiteFiles", "config.static.AppFiles"]
# A bundle has the name of the page's module, and the first that has a name wins; DEBUG serves the modules.
STATICFILES_DIRS = [*([] if DEBUG else [paths.BUNDLED_DIR]), paths.VENDOR_DIR, BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.static.HashedStorage"},
}

# Nobody else's page needs our files.
SERVESTATIC_ALLOW_ALL_ORIGINS = False
SERVESTATIC_ADD_HEADERS_FUNCTION = file_headers

# -- Metrics -------------------------------------------------------------------------------------------------

# What Prometheus must show as its bearer token; without one, only this very machine may ask.
METRICS_TOKEN = env.text("METRICS_TOKEN", "")

# -- Language, time, logs ------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

LOGGING = log_lines.from_environment()
