"""Tracking webhooks of mail providers, with the secret or signature of each."""

import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from notifications.providers import PROVIDERS
from reminders.bounces.tracking_events import TooEarly
from reminders.web.api.errors import TITLES, Fault, error_body
from reminders.web.team_limits import TeamAccess, team_limit

logger = logging.getLogger(__name__)


@csrf_exempt
@team_limit(TeamAccess.PUBLIC)
@require_http_methods(["POST", "HEAD"])
def events(request: HttpRequest) -> HttpResponse:
    """Tracking webhooks of ANYMAIL_PROVIDER, checked and read by django-anymail, which sends each event as its signal
    `tracking`.
    """
    if not settings.ANYMAIL_PROVIDER:
        raise Http404("There is nothing at this address.")
    if request.method == "HEAD":  # Some providers try the address so.
        return HttpResponse()
    from anymail.exceptions import AnymailWebhookValidationFailure
    from anymail.signals import AnymailTrackingEvent, tracking

    view: Any = import_string(f"anymail.webhooks.{PROVIDERS[settings.ANYMAIL_PROVIDER].view}")()
    view.setup(request)
    try:
        view.run_validators(request)
        parsed = list(view.parse_events(request))
    except AnymailWebhookValidationFailure:
        return _refused(403, "secret or signature is not that of this provider")
    except SuspiciousOperation:
        raise
    except Exception as error:  # The body may hold anything.
        return _refused(400, f"this is no event of this provider ({type(error).__name__})")
    try:
        for event in parsed:
            if isinstance(event, AnymailTrackingEvent):
                tracking.send(sender=type(view), event=event, esp_name=view.esp_name)
    except (DatabaseError, InterfaceError, TooEarly):
        return _refused(503, "this cannot be recorded at present: send it again")
    return HttpResponse()


def _refused(status: int, message: str) -> HttpResponse:
    """What is wrong, in the shape of every error of the API. Providers send again what was not taken."""
    logger.warning("Provider's webhook refused", extra={"status": status})
    kind, _ = TITLES[status]
    return JsonResponse(error_body(status, [Fault(None, kind, message)]), status=status)
