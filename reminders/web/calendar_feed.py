"""The address that calendar programs read. It is the only credential: kept out of logs, and 404 once it was revoked."""

import hashlib
import math
from datetime import timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.views.decorators.http import require_safe

from accounts import allowances
from accounts.allowances import Rate
from assignments.clock import database_now
from reminders.content import calendar_links
from reminders.insight import calendar_feed
from reminders.web.secret_pages import not_found, secret_address
from reminders.web.team_limits import TeamAccess, team_limit

RATE = Rate(at_once=20, each=timedelta(seconds=30))
"""How often one address answers: calendar programs ask every few minutes at most, each device of a team for itself."""


def caller_of(token: str) -> str:
    """The allowance of this address; the address itself is a secret."""
    return f"calendar {hashlib.sha256(token.encode()).hexdigest()[:30]}"


@team_limit(TeamAccess.PUBLIC)
@secret_address
@require_safe
def feed(request: HttpRequest, token: str) -> HttpResponseBase:
    """The calendar, or 304 to who has it already.

    Only If-None-Match is looked at: work that was taken away leaves no date behind, so a date proves nothing.
    """
    link = calendar_links.link_from(token)
    owner = calendar_feed.owner_of(link) if link else None
    if owner is None:
        return not_found(request)
    # Of a link that works alone: made-up ones leave no row behind.
    if (wait := allowances.take(caller_of(token), RATE)) is not None:
        refused = HttpResponse("Too many requests.", status=429, content_type="text/plain; charset=utf-8")
        refused["Retry-After"] = str(math.ceil(wait))
        return refused
    found = calendar_feed.feed_of(owner, now=database_now())
    response = HttpResponse(found.text, content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = 'inline; filename="work.ics"'
    response["Last-Modified"] = http_date(found.modified.timestamp())
    response["ETag"] = found.etag
    shown: HttpResponseBase = response
    if "If-None-Match" in request.headers:
        shown = get_conditional_response(request, etag=found.etag, response=response) or response
    # Who keeps it asks each time: an address that was revoked must not go on answering from a cache.
    shown["Cache-Control"] = "private, no-cache"
    return shown
