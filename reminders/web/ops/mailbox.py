"""The mails that the mail server of `manage.py up` has stored; with any other server there is no such page.

For operators: whoever reads a mail may follow its link, and then acts for its recipient.
"""

from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from reminders.content import links
from reminders.insight import mailbox
from reminders.insight.mailbox import Mail
from reminders.web.ops.page import page, show

HTML_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self';"
    " sandbox allow-popups allow-popups-to-escape-sandbox"
)
"""No script, form or plug-in of a mail runs, and it loads nothing. Its links open a window of their own."""
BEFORE_HTML = '<!doctype html><base target="_blank">'


@page(operator=True)
@require_safe
def mails(request: HttpRequest) -> HttpResponse:
    """The newest mails, the newest first."""
    headings, total = mailbox.newest(_folder())
    return show(request, "mailbox", {"headings": headings, "total": total})


@page(operator=True)
@require_safe
def mail(request: HttpRequest, name: str) -> HttpResponse:
    """One mail: its text, with the links to pages of this site, and its HTML part in a frame."""
    found = _found(name)
    return show(request, "mail", {"mail": found, "pieces": links.linked(found.text.rstrip())})


@page(operator=True)
@require_safe
def html_part(request: HttpRequest, name: str) -> HttpResponse:
    """The HTML part of one mail, for the frame; opened by itself it is held to the same policy."""
    found = _found(name)
    if not found.html:
        raise Http404(gettext("The mail %(name)s has no HTML part.") % {"name": name})
    headers = {"Content-Security-Policy": HTML_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HttpResponse(BEFORE_HTML + found.html, headers=headers)


def _found(name: str) -> Mail:
    found = mailbox.read(_folder(), name)
    if found is None:
        raise Http404(gettext("There is no mail %(name)s any more.") % {"name": name})
    return found


def _folder() -> Path:
    folder: Path | None = settings.MAIL_SINK_DIR
    if folder is None:
        raise Http404(gettext("Mails are not stored on this machine."))
    return folder
