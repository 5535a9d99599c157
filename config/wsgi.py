"""The web process: `gunicorn config.wsgi`."""

import os

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

from config.checks import check_pooler, check_secret_key
from webserver.body_length import KnownBodyLength

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = KnownBodyLength(get_wsgi_application())
if problems := [*check_secret_key(None), *check_pooler(None)]:
    raise ImproperlyConfigured("\n".join(str(problem) for problem in problems))
