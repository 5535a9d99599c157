"""The address that calendar programs read. It is the only credential: kept out of logs, and 404 once it was revoked."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.views.decorators.http import require_safe

from assignments.clock import database_now
from reminders.content import calendar_links
from reminders.insight import calendar_feed
from reminders.web.secret_pages import not_found, secret_address
from reminders.web.team_limits import TeamAccess, team_limit


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
