"""The settings of all processes. `.env.example` describes each variable.

The defaults are enough for commands that only read the code (`check`, `makemigrations --check`). All others need the
addresses of PostgreSQL and Redis.
"""

import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit

from config import addresses, telemetry
from config.allauth_settings import *  # noqa: F403 - those that no variable changes
from config.api_settings import *  # noqa: F403 - the same
from config.environment import Environment
from config.reminder_settings import changed_reminders, read_reminders
from config.sign_in_settings import openid_apps, read_openid
from notifications import providers
from notifications.addresses import InvalidAddress
from notifications.bounces.imap import MailboxAddress
from notifications.channels.email.verp import checked_address
from notifications.channels.sms import gateway

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

# --- the reminder system ---------------------------------------------------------------------------------------

REMINDERS = read_reminders(env)
REMINDERS_WITH = changed_reminders
METRICS_TOKEN = env.text("METRICS_TOKEN", secret=True)
# Where PostgreSQL keeps its data, if this process can see it; '' otherwise.
POSTGRES_DATA_DIR = env.text("POSTGRES_DATA_DIR")
PROMETHEUS_URL = env.url("PROMETHEUS_URL", "", schemes=["https", "http"])

# --- Django ----------------------------------------------------------------------------------------------------

DEBUG = env.switch("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY", secret=True)
SECRET_KEY_IS_SET = bool(SECRET_KEY)
if not SECRET_KEY:
    # Enough for commands that sign nothing; the processes refuse to start with it (config.checks).
    SECRET_KEY = "insecure-" + secrets.token_urlsafe(50)
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS", secret=True)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
STATE_DIR = Path(env.text("REMINDERS_STATE", str(BASE_DIR / ".run")))
# Where processes note what they have in hand, for those that outlive them on the same host.
JOURNAL_DIR = Path(env.text("REMINDER_JOURNAL_DIR") or STATE_DIR / "journal")

INSTALLED_APPS = [
    "config",
    "config.devstack",
    "assignments",
    "notifications",
    "reminders",
    "reminders.web",
    "accounts",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "corsheaders",
    "django_prometheus",
    "reminders.web.apps.OneProductAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "reminders.web.security_headers.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.signed_in.SignedInMiddleware",
    "reminders.web.language.LanguageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.SecondFactorMiddleware",
    "reminders.web.team_limits.TeamLimitMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "config.templates.Templates",
        "NAME": "django",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SESSION_ENGINE = "accounts.sessions"
AUTHENTICATION_BACKENDS = [
    "accounts.backends.PermissionsAtOnce",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
# The language of answers of the API, of logs, and of whoever has said none.
LANGUAGE_CODE = "en"
USE_I18N = True
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("es", "Español"), ("fr", "Français")]
# What reaches people and supervisors, and what operators see: `manage.py update_translations`.
LOCALE_PATHS = [BASE_DIR / "reminders/locale", BASE_DIR / "reminders/web/locale"]
# The language of messages to people whose own is not known, or is none of these.
DEFAULT_LANGUAGE = env.choice("DEFAULT_LANGUAGE", "en", among=[code for code, _ in LANGUAGES])
USE_TZ = True
TIME_ZONE = env.text("TIME_ZONE", "UTC")
STATIC_URL = "static/"
STATIC_ROOT = STATE_DIR / "static"
CSRF_FAILURE_VIEW = "reminders.web.assignee_page.csrf_failure"
LOGIN_URL = "/account/sign-in"
LOGIN_REDIRECT_URL = "/ops/"  # where `next` is missing or leads to another site

# --- sign-in: django-allauth (docs/decisions/0046) --------------------------------------------------------------

# Whether operators and superusers need a second factor; API tokens are not asked for one.
OPERATORS_NEED_SECOND_FACTOR = env.switch("OPERATORS_NEED_SECOND_FACTOR", False)
# The company's OpenID provider; None where people sign in here alone.
OPENID = read_openid(env)
SOCIALACCOUNT_PROVIDERS = openid_apps(OPENID)

# --- PostgreSQL ------------------------------------------------------------------------------------------------

DATABASE_URL = env.address("DATABASE_URL", "", of=addresses.postgres)
# The owner of the tables, for `migrate` and `prepare` alone: wherever it is set, it is used instead of DATABASE_URL.
DATABASE_OWNER_URL = env.address("DATABASE_OWNER_URL", "", of=addresses.postgres)
DATABASES = {
    "default": addresses.django_database(
        DATABASE_OWNER_URL or DATABASE_URL or "postgres://localhost/reminders"
    )
}

# --- Celery over Redis -----------------------------------------------------------------------------------------

REDIS_URL = env.address("REDIS_URL", "redis://localhost:6379", of=addresses.broker)
BROKER = addresses.broker(REDIS_URL)
CELERY_BROKER_URL = BROKER.url
CELERY_BROKER_USE_SSL = BROKER.tls or None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    **BROKER.transport_options,
    "ack_emulation": False,  # See config/broker_transport.py.
    # Time-outs for every process: with the defaults a half-open connection blocks beat and workers for ever.
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    # Kombu reconnects if a connection was silent for twice this long.
    "health_check_interval": 5,
    "retry_on_timeout": False,
}
CELERY_BROKER_CONNECTION_TIMEOUT = 5
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.2}
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TASK_DEFAULT_QUEUE = "reminders"
CELERY_TASK_ROUTES = {
    "reminders.scan": {"queue": "reminders.scan"},
    "reminders.dispatch": {"queue": "reminders.scan"},
}
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "reminders.delivery.beat_scheduler:BoundedScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
# Otherwise Celery's Django fix-up closes the connection after every task: 125 reminders a second instead of 512.
CELERY_DB_REUSE_MAX = 1_000_000_000
DJANGO_CELERY_BEAT_TZ_AWARE = True

# --- mail ------------------------------------------------------------------------------------------------------

OWN_EMAIL_BACKEND = "notifications.channels.email.backend.EmailBackend"
EMAIL_SCHEMES = {
    "smtp": OWN_EMAIL_BACKEND,
    "smtps": OWN_EMAIL_BACKEND,
    "smtp+tls": OWN_EMAIL_BACKEND,
    "smtp+ssl": OWN_EMAIL_BACKEND,
    "consolemail": "django.core.mail.backends.console.EmailBackend",
    "filemail": "django.core.mail.backends.filebased.EmailBackend",
    "memorymail": "django.core.mail.backends.locmem.EmailBackend",
    "dummymail": "django.core.mail.backends.dummy.EmailBackend",
}
# What counts as an address that can be written to, wherever one is stored.
TEAM_NAMES = "assignments.teams.all_names"
EMAIL_ADDRESS_VALIDATOR = "notifications.addresses.validate_email_address"
# How an address of each channel is checked and stored, wherever one is entered.
CONTACT_ADDRESSES = {
    "email": "notifications.addresses.stored_email_address",
    "sms": "notifications.phone_numbers.stored_number",
    "chat": "notifications.channels.chat.addresses.stored_chat_url",
}
# The services that addresses of the channel chat may name, and whether those may be in a private network.
CHAT_SCHEMES = tuple(scheme.lower() for scheme in env.words("CHAT_SCHEMES"))
CHAT_ALLOW_PRIVATE = env.switch("CHAT_ALLOW_PRIVATE", False)
PHONE_REGION = env.text("PHONE_REGION").upper()
mail = env.email("EMAIL_URL", "smtp://localhost:25", schemes=EMAIL_SCHEMES)
EMAIL_BACKEND = env.text("EMAIL_BACKEND") or {
    "django.core.mail.backends.smtp.EmailBackend": OWN_EMAIL_BACKEND
}.get(str(mail["EMAIL_BACKEND"]), str(mail["EMAIL_BACKEND"]))
if EMAIL_BACKEND == "notifications.channels.email.backend.EmailBackend":  # its name in release 1.0
    EMAIL_BACKEND = OWN_EMAIL_BACKEND
EMAIL_HOST = str(mail.get("EMAIL_HOST") or "localhost")
EMAIL_PORT = int(str(mail.get("EMAIL_PORT") or 25))
EMAIL_HOST_USER = str(mail.get("EMAIL_HOST_USER") or "")
EMAIL_HOST_PASSWORD = str(mail.get("EMAIL_HOST_PASSWORD") or "")
EMAIL_USE_TLS = bool(mail.get("EMAIL_USE_TLS", False))
EMAIL_USE_SSL = bool(mail.get("EMAIL_USE_SSL", False))
EMAIL_FILE_PATH = str(mail.get("EMAIL_FILE_PATH") or STATE_DIR / "mail")
# Where the mail server of `manage.py up` stores every mail, for the page that shows them; None with any other server.
sink = env.text("MAIL_SINK_DIR")
THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
MAIL_SINK_DIR = (
    Path(sink) if sink and EMAIL_BACKEND == OWN_EMAIL_BACKEND and EMAIL_HOST in THIS_MACHINE else None
)
EMAIL_TIMEOUT = REMINDERS.send_timeout.total_seconds()
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Assignment reminders <reminders@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
EMAIL_REPLY_TO = env.text("EMAIL_REPLY_TO").strip()
# Whether mails about an assignment carry it as a calendar file.
REMINDER_CALENDAR_FILES = env.switch("REMINDER_CALENDAR_FILES", True)
# Whom readers of mails may ask.
ORGANISATION_NAME = env.text("ORGANISATION_NAME").strip()
ORGANISATION_PHONE = env.text("ORGANISATION_PHONE").strip()
# Where the place of work is shown on a map; {place} stands for it.
MAP_URL = env.form("MAP_URL", part="{place}", schemes=["https", "http"])

# --- what comes back of mail -----------------------------------------------------------------------------------

# The address to which mail servers report; each message has its own subaddress of it. '': the sender's.
BOUNCE_ADDRESS = env.text("BOUNCE_ADDRESS").strip()
if BOUNCE_ADDRESS:
    try:
        BOUNCE_ADDRESS = checked_address(BOUNCE_ADDRESS)
    except InvalidAddress as refusal:
        env.refuse(f"BOUNCE_ADDRESS is {BOUNCE_ADDRESS!r}: {refusal}")
        BOUNCE_ADDRESS = ""
BOUNCE_MAILBOX_URL = env.address("BOUNCE_MAILBOX_URL", "", of=addresses.mailbox)
BOUNCE_MAILBOX = MailboxAddress(**addresses.mailbox(BOUNCE_MAILBOX_URL)) if BOUNCE_MAILBOX_URL else None
BOUNCE_POLL_SECONDS = env.whole("BOUNCE_POLL_SECONDS", 60, least=10, most=3_600)
# The mail provider whose tracking webhooks are accepted at /api/inbound/email, read by django-anymail; '': nobody's.
ANYMAIL_WEBHOOK_SECRET = env.text("ANYMAIL_WEBHOOK_SECRET", secret=True)
ANYMAIL_SIGNING_KEY = env.text("ANYMAIL_SIGNING_KEY", secret=True)
ANYMAIL_PROVIDER = env.choice("ANYMAIL_PROVIDER", "", among=["", *providers.NAMES])
if ANYMAIL_PROVIDER:
    for problem in providers.problems(ANYMAIL_PROVIDER, ANYMAIL_WEBHOOK_SECRET, ANYMAIL_SIGNING_KEY):
        env.refuse(problem)
    if telemetry.is_missing("anymail"):
        env.refuse(
            "ANYMAIL_PROVIDER is set: the package django-anymail (extra `anymail`) is needed, or no value"
        )
elif ANYMAIL_WEBHOOK_SECRET or ANYMAIL_SIGNING_KEY:
    env.refuse("ANYMAIL_WEBHOOK_SECRET and ANYMAIL_SIGNING_KEY are of no use without ANYMAIL_PROVIDER")
ANYMAIL = providers.anymail_settings(ANYMAIL_PROVIDER, ANYMAIL_WEBHOOK_SECRET, ANYMAIL_SIGNING_KEY)

# --- SMS -------------------------------------------------------------------------------------------------------

SMS_URL = env.address("SMS_URL", "", of=gateway.parse)
# How many SMS may leave in a calendar month (UTC).
SMS_MONTHLY_CAP = env.whole("SMS_MONTHLY_CAP", 1_000, least=0, most=10_000_000)

# The channels whose messages carry a token, by which what becomes of them is known.
tracked = {"email": BOUNCE_ADDRESS or BOUNCE_MAILBOX or ANYMAIL_PROVIDER, "sms": SMS_URL}
TRACKED_CHANNELS = frozenset(channel for channel, way_back in tracked.items() if way_back)

# --- webhooks --------------------------------------------------------------------------------------------------

# For development: webhooks may then go to http:// and to private addresses. Refused if HTTPS_ONLY is on.
WEBHOOK_ALLOW_PRIVATE = env.switch("WEBHOOK_ALLOW_PRIVATE", False)

# Calendars are then polled from private addresses too, and by http://.
CALENDAR_ALLOW_PRIVATE = env.switch("CALENDAR_ALLOW_PRIVATE", False)

# --- HTTP ------------------------------------------------------------------------------------------------------

# Off only if the site is served without TLS, as by `manage.py up` on the loopback address.
HTTPS_ONLY = env.switch("HTTPS_ONLY", True)
if HTTPS_ONLY and WEBHOOK_ALLOW_PRIVATE:
    env.refuse("WEBHOOK_ALLOW_PRIVATE is true: only a development system, with HTTPS_ONLY=false, accepts it")
# Where people reach this site: mails link to it, so its host must be accepted too.
PUBLIC_URL = env.origin("PUBLIC_URL", schemes=["https"] if HTTPS_ONLY else ["https", "http"])
if PUBLIC_URL:
    ALLOWED_HOSTS.append(str(urlsplit(PUBLIC_URL).hostname))
    CSRF_TRUSTED_ORIGINS.append(PUBLIC_URL)
SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
# Off: browsers keep a preloaded domain, with all its subdomains, for months after it has been withdrawn.
SECURE_HSTS_PRELOAD = env.switch("HSTS_PRELOAD", False)
SILENCED_SYSTEM_CHECKS = ["security.W021"]  # asks for it
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^api/metrics$"]
if HTTPS_ONLY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# How many proxies in front of the site add to X-Forwarded-For; limits for sign-ins need the client's address.
TRUSTED_PROXY_COUNT = env.whole("TRUSTED_PROXY_COUNT", 1 if HTTPS_ONLY else 0, least=0, most=9)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
# Pages of other sites that may call the API from a browser, with a token; none unless named.
CORS_ALLOWED_ORIGINS = env.origins(
    "CORS_ALLOWED_ORIGINS", schemes=["https"] if HTTPS_ONLY else ["https", "http"]
)
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
CORS_ALLOW_HEADERS = [
    *("authorization", "content-type", "content-encoding"),
    *("if-match", "if-none-match", "idempotency-key"),
]
CORS_EXPOSE_HEADERS = ["ETag", "Idempotent-Replayed", "Retry-After", "Content-Disposition"]
X_FRAME_OPTIONS = "DENY"
API_RATE = env.whole("API_RATE", 1_200, least=0, most=1_000_000)  # calls a minute
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024
FILE_UPLOAD_HANDLERS = ["webserver.uploads.RefuseFiles"]

PROMETHEUS_EXPORT_MIGRATIONS = False

# --- logs ------------------------------------------------------------------------------------------------------

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", among=["DEBUG", "INFO", "WARNING", "ERROR"])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "config.logs.JsonFormatter"},
        "plain": {"()": "config.logs.PlainFormatter"},
    },
    "handlers": {
        "console": {
            "class": "config.logs.LineHandler",
            "formatter": env.choice("LOG_FORMAT", "json", among=["json", "plain"]),
        },
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # One line per task would only repeat our own events.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "django_celery_beat": {"level": "WARNING"},
        # A line for each request that waits for a thread, and for each client that hung up.
        "waitress": {"level": "ERROR"},
        "waitress.queue": {"level": "ERROR"},
        # A line for each way in which a mail is tried, and what it stumbles over in mails of any content.
        "flufl.bounce": {"level": "CRITICAL"},
    },
}

# --- errors and traces, both optional --------------------------------------------------------------------------

SENTRY_DSN = env.url("SENTRY_DSN", "", schemes=["https", "http"])
if SENTRY_DSN and telemetry.is_missing("sentry_sdk"):
    env.refuse("SENTRY_DSN is set: the package sentry-sdk is needed, or no value")
OTEL_EXPORTER_OTLP_ENDPOINT = env.url("OTEL_EXPORTER_OTLP_ENDPOINT", "", schemes=["http", "https"])
if OTEL_EXPORTER_OTLP_ENDPOINT and telemetry.is_missing(
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.instrumentation.django",
    "opentelemetry.instrumentation.celery",
    "opentelemetry.instrumentation.psycopg",
):
    env.refuse("OTEL_EXPORTER_OTLP_ENDPOINT is set: the packages of the extra `otel` are needed, or no value")

env.refuse_if_wrong()
for warning in env.unknown("REMINDER_"):
    sys.stderr.write(f"warning: {warning}\n")
