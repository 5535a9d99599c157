"""The page behind the link of a verification: a person confirms that an address is theirs. A GET changes nothing, because
mail scanners follow links. It names neither a person nor an address.

The address is the only credential, and there is no session that another site could use: so no CSRF token is asked for.
"""

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from reminders.content.languages import text_language
from reminders.operations import verifications
from reminders.web.secret_pages import not_found, secret_address, show
from reminders.web.team_limits import TeamAccess, team_limit


@csrf_exempt
@team_limit(TeamAccess.PUBLIC)
@secret_address
@require_http_methods(["GET", "HEAD", "POST"])
def verify_page(request: HttpRequest, token: str) -> HttpResponseBase:
    """Shows a button; a POST confirms. Every link that is not good gets the same response."""
    if request.method == "POST":
        if not verifications.use_link(token):
            return not_found(request)
        return HttpResponseRedirect(request.path, status=303)
    opened = verifications.open_link(token)
    if opened is None:
        return not_found(request)
    verification, point = opened
    language = text_language(point.person.language)
    return show(
        "verify", {"done": verification.used_at is not None}, request=request, language=language, status=200
    )
