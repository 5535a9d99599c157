"""A form that is not accepted, since its sender is signed out or has signed in anew: what was written is kept."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers

from reminders.web.security_headers import POLICY

BY_BROWSER = ("csrfmiddlewaretoken",)
SAME_ORIGIN = "same-origin"


def fields_of(request: HttpRequest) -> list[tuple[str, str]]:
    """The fields of a form in which somebody has written a text; nothing for others: with files, or a password."""
    if request.method != "POST" or request.content_type != "application/x-www-form-urlencoded":
        return []
    sent = [
        (name, value) for name, values in request.POST.lists() if name not in BY_BROWSER for value in values
    ]
    has_secret = any("password" in name for name, _ in sent)
    return sent if not has_secret and any(len(value.split()) > 1 for _, value in sent) else []


def kept_form(request: HttpRequest, fields: list[tuple[str, str]]) -> HttpResponse:
    """Shows what was written, and sends it again once its sender is signed in. A part of a page says that it is there."""
    signed_in = request.user.is_authenticated
    context = {
        "fields": fields,
        "texts": [value for _, value in fields if len(value.split()) > 1],
        "signed_in": signed_in,
        "path": request.path,
    }
    template = "ops/parts/kept_form.html" if "HX-Request" in request.headers else "ops/kept_form.html"
    answer = render(request, template, context, status=403 if signed_in else 401)
    answer["Content-Security-Policy"] = POLICY
    add_never_cache_headers(answer)
    return answer


def may_keep(request: HttpRequest) -> bool:
    """Whether a form that fails the check for forged ones came from these pages all the same, as the browser says."""
    return (
        request.path.startswith(("/ops/", "/admin/")) and request.headers.get("Sec-Fetch-Site") == SAME_ORIGIN
    )
