"""The pages on which operators write what people read: the stored texts, one text with its preview, and its versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext

from assignments.models import Team
from assignments.services import Refused
from assignments.team_scope import TeamScope
from reminders.content.languages import stored_code
from reminders.content.message_templates import active
from reminders.content.message_templates.filters import FILTERS
from reminders.content.message_templates.starters import starter
from reminders.content.message_templates.syntax import normal
from reminders.content.message_templates.variables import TextForm, variables
from reminders.insight.template_list import StoredText, stored_languages, stored_text, stored_texts
from reminders.insight.template_preview import (
    TemplatePreview,
    preview_text,
    previewed_work,
    sample_names,
)
from reminders.insight.text_difference import difference
from reminders.operations import message_templates
from reminders.operations.message_templates import TemplateChanged, UnknownTemplate
from reminders.web.language import NAMES
from reminders.web.ops.mailbox import BEFORE_HTML, HTML_POLICY
from reminders.web.ops.page import error_page, may_operate, page, show
from reminders.web.ops.text_words import CHANNELS, KINDS, SAMPLES, STATES, choices, language_word, words_of
from reminders.web.team_limits import TeamAccess, scope_of


@dataclass
class TextDraft:
    """A text as it stands in the form, with what is wrong with it."""

    kind: str
    channel: str
    language: str
    team: str = ""
    subject: str = ""
    body: str = ""
    note: str = ""
    seen: int = 0
    sample: str = ""
    work: str = ""
    errors: dict[str, list[str]] = field(default_factory=dict)

    @property
    def place(self) -> dict[str, Any]:
        is_id = self.team.isascii() and self.team.isdigit() and len(self.team) < 19
        team_id = int(self.team) if is_id else 0  # There is no team 0: it is refused.
        return {
            "kind": self.kind,
            "channel": self.channel,
            "language": self.language,
            "team_id": team_id if self.team else None,
        }

    @property
    def is_mail(self) -> bool:
        return active.form_of(self.channel) is TextForm.MAIL

    def refused(self, refusal: ValidationError) -> None:
        """Shows at each field what is wrong with it."""
        for name, problems in refusal.message_dict.items():
            self.errors[name] = problems


@page(limit=TeamAccess.NARROWS)
def templates(request: HttpRequest) -> HttpResponse:
    """The stored texts, and where a new one begins."""
    scope, given = scope_of(request.user), request.GET
    asked = {name: given.get(name, "")[:20] for name in ("kind", "channel", "language", "team", "state")}
    team = asked["team"]
    listed = [
        one
        for one in stored_texts(
            scope=scope,
            kind=asked["kind"],
            channel=asked["channel"],
            language=asked["language"],
            team_id=int(team) if team.isascii() and team.isdigit() and len(team) < 19 else None,
        )
        if asked["state"] in ("", one.state)
    ]
    languages = dict.fromkeys((*NAMES, *stored_languages(scope)))
    context = {
        "listed": [words_of(one) for one in listed],
        "asked": asked,
        "filters": [
            ("kind", gettext("Kind"), choices(KINDS)),
            ("channel", gettext("Channel"), choices(CHANNELS)),
            ("language", gettext("Language"), [(code, language_word(code)) for code in languages]),
            ("team", gettext("Team"), _teams(scope)),
            ("state", gettext("State"), choices(STATES)),
        ],
        "new": _place_choices(scope),
    }
    return show(request, "templates", context)


def _teams(scope: TeamScope) -> list[tuple[str, str]]:
    return [(str(team.pk), team.name) for team in Team.objects.visible_to(scope).order_by("name")]


def _place_choices(scope: TeamScope) -> Sequence[tuple[str, str, Sequence[tuple[str, str]]]]:
    everybody = [] if scope.limited else [("", gettext("every team"))]
    return [
        ("kind", gettext("Kind"), choices(KINDS)),
        ("channel", gettext("Channel"), choices(CHANNELS)),
        ("language", gettext("Language"), list(NAMES.items())),
        ("team", gettext("For the work of"), [*everybody, *_teams(scope)]),
    ]


@page(operator=True, limit=TeamAccess.NARROWS)
def new_template(request: HttpRequest) -> HttpResponse:
    """A text for which there is none yet, beginning as the built-in one."""
    values = request.POST if request.method == "POST" else request.GET
    draft = _draft(values)
    scope = scope_of(request.user)
    _check_place(draft, scope)
    if request.method == "POST":
        return _saved_or_shown(request, draft, None)
    for one in stored_texts(scope=scope, kind=draft.kind, channel=draft.channel, language=draft.language):
        if one.template.team_id == draft.place["team_id"]:
            return HttpResponseRedirect(reverse("ops:template", args=[one.template.pk]))
    _begin(draft, draft.language)
    return _shown(request, draft, None)


@page(posts=True, limit=TeamAccess.NARROWS)
def template(request: HttpRequest, pk: int) -> HttpResponse:
    """One text: read by all, written by operators."""
    if request.method == "POST" and not may_operate(request):
        why = gettext("You can read this text.")
        return error_page(request, 403, gettext("Only operators may do this"), why)
    stored = _stored(request, pk)
    if request.method != "POST":
        draft = _draft_of(stored)
        if (language := request.GET.get("starter", "")) in NAMES:
            _begin(draft, language)
        return _shown(request, draft, stored)
    match request.POST.get("action", ""):
        case "restore":
            return _restored(request, stored)
        case "off":
            return _switched_off(request, stored)
    draft = _draft(request.POST)
    for name in ("kind", "channel", "language"):
        setattr(draft, name, getattr(stored.template, name))
    draft.team = str(stored.template.team_id or "")
    return _saved_or_shown(request, draft, stored)


@page(limit=TeamAccess.NARROWS)
def version(request: HttpRequest, pk: int, n: int) -> HttpResponse:
    """A version, and what differs between it and another one."""
    stored = _stored(request, pk)
    versions = {one.number: one for one in message_templates.versions_of(stored.template)}
    other = request.GET.get("against", "")
    against = versions.get(int(other)) if other.isascii() and other.isdigit() and len(other) < 10 else None
    shown, against = versions.get(n), against or versions[stored.version.number]
    if shown is None:
        raise Http404(gettext("There is no such version."))
    older, newer = sorted((shown, against), key=lambda one: one.number)
    context = {
        **words_of(stored),
        "shown": shown,
        "older": older,
        "newer": newer,
        "versions": list(versions.values()),
        "subject": difference(older.subject, newer.subject) if newer.subject or older.subject else (),
        "body": difference(older.body, newer.body),
    }
    return show(request, "template_version", context)


@page(operator=True, limit=TeamAccess.NARROWS)
def preview(request: HttpRequest) -> HttpResponse:
    """The preview of a text that is being written, as a part of its page."""
    if request.method != "POST":
        raise Http404(gettext("There is nothing to be previewed."))
    draft = _draft(request.POST)
    _check_place(draft, scope_of(request.user))
    context = {
        "draft": draft,
        "preview": _previewed(request, draft),
        "again": True,
        "names_of_errors": ["subject", "body", "work"] if draft.is_mail else ["body", "work"],
    }
    return render(request, "ops/parts/template_preview.html", context)


@page(operator=True, limit=TeamAccess.NARROWS)
def html_part(request: HttpRequest) -> HttpResponse:
    """The HTML of the mail that a text makes, for the frame. No script of it runs, and it loads nothing."""
    draft = _draft(request.POST)
    shown = None
    if request.method == "POST":
        _check_place(draft, scope_of(request.user))
        shown = _previewed(request, draft)
    if shown is None or not shown.html:
        raise Http404(gettext("There is nothing to be previewed."))
    headers = {"Content-Security-Policy": HTML_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HttpResponse(BEFORE_HTML + shown.html, headers=headers)


# --- what the pages share ------------------------------------------------------------------------------------------


def _stored(request: HttpRequest, pk: int) -> StoredText:
    found = stored_text(pk, scope_of(request.user))
    if found is None:
        raise Http404(gettext("There is no such text."))
    return found


def _draft(values: Mapping[str, Any]) -> TextDraft:
    def given(name: str, longest: int) -> str:
        return str(values.get(name, ""))[:longest]

    seen = given("seen", 9)
    longest = message_templates.MOST_OCTETS + 1
    return TextDraft(
        kind=given("kind", 20),
        channel=given("channel", 20),
        language=stored_code("-".join(filter(None, (given("language", 20), given("region", 8))))),
        team=given("team", 20),
        subject=given("subject", longest),
        body=given("body", 2 * longest),
        note=given("note", 1_000),
        seen=int(seen) if seen.isascii() and seen.isdigit() else 0,
        sample=given("sample", 40),
        work=given("work", 100),
    )


def _draft_of(stored: StoredText) -> TextDraft:
    return TextDraft(
        kind=stored.template.kind,
        channel=stored.template.channel,
        language=stored.template.language,
        team=str(stored.template.team_id or ""),
        subject=stored.version.subject,
        body=stored.version.body,
        seen=stored.newest,
        errors={"body": [stored.problem]} if stored.problem else {},
    )


def _begin(draft: TextDraft, language: str) -> None:
    begun = starter(draft.kind, active.form_of(draft.channel), language)
    draft.subject, draft.body, draft.errors = begun.subject, begun.body, {}


def _check_place(draft: TextDraft, scope: TeamScope) -> None:
    """Raises Http404 where there are no such messages."""
    try:
        message_templates.check_place(**draft.place, scope=scope)
    except ValidationError as refusal:
        raise Http404(" ".join(refusal.messages)) from refusal


def _previewed(request: HttpRequest, draft: TextDraft) -> TemplatePreview | None:
    """The message; None where something is wrong, which the draft says then."""
    scope = scope_of(request.user)
    work = previewed_work(draft.work, scope)
    if draft.work.strip() and work is None:
        draft.errors["work"] = [gettext("There is no such assignment: its number or reference is needed.")]
    try:
        text = message_templates.checked_text(
            **draft.place, subject=draft.subject, body=draft.body, scope=scope
        )
    except ValidationError as refusal:
        draft.refused(refusal)
        return None
    return preview_text(**text, sample=draft.sample, work=work)


def _saved_or_shown(request: HttpRequest, draft: TextDraft, stored: StoredText | None) -> HttpResponse:
    if request.POST.get("action") != "save":
        return _shown(request, draft, stored)
    try:
        saved, is_new = message_templates.save_template(
            **draft.place,
            subject=draft.subject,
            body=draft.body,
            by=request.user.get_username(),
            note=draft.note,
            seen=draft.seen,
            scope=scope_of(request.user),
        )
    except ValidationError as refusal:
        draft.refused(refusal)
        return _shown(request, draft, stored, status=400)
    except TemplateChanged:
        return _conflict(request, draft)
    said = gettext("Version %(number)s is in use now.") if is_new else gettext("This text is in use already.")
    messages.success(request, said % {"number": saved.number})
    return HttpResponseRedirect(reverse("ops:template", args=[saved.template_id]))


def _conflict(request: HttpRequest, draft: TextDraft) -> HttpResponse:
    """Somebody else has saved meanwhile: both texts are shown, and what the operator has written stays in the form."""
    scope = scope_of(request.user)
    found = stored_texts(scope=scope, kind=draft.kind, channel=draft.channel, language=draft.language)
    stored = next(one for one in found if one.template.team_id == draft.place["team_id"])
    newest = message_templates.versions_of(stored.template)[0]
    draft.seen = newest.number
    lines = [
        *(difference(newest.subject, normal(draft.subject)) if draft.is_mail else ()),
        *difference(newest.body, normal(draft.body)),
    ]
    return _shown(request, draft, stored, status=409, theirs=newest, lines=lines)


def _restored(request: HttpRequest, stored: StoredText) -> HttpResponse:
    number, back = request.POST.get("version", ""), reverse("ops:template", args=[stored.template.pk])
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise Http404(gettext("There is no such version."))
    try:
        made = message_templates.restore_version(
            stored.template.pk,
            int(number),
            by=request.user.get_username(),
            note=request.POST.get("note", ""),
            seen=_draft(request.POST).seen or None,
            scope=scope_of(request.user),
        )
    except UnknownTemplate as unknown:
        raise Http404(gettext("There is no such version.")) from unknown
    except (ValidationError, Refused) as refusal:
        messages.error(request, " ".join(getattr(refusal, "messages", [str(refusal)])))
    else:
        said = gettext("The text of version %(former)s is in use again, as version %(number)s.")
        messages.success(request, said % {"former": number, "number": made.number})
    return HttpResponseRedirect(back)


def _switched_off(request: HttpRequest, stored: StoredText) -> HttpResponse:
    try:
        message_templates.deactivate_template(
            stored.template.pk,
            by=request.user.get_username(),
            reason=request.POST.get("note", ""),
            scope=scope_of(request.user),
        )
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    else:
        messages.success(request, gettext("It is off: the built-in text is used again."))
    return HttpResponseRedirect(request.path)


def _shown(
    request: HttpRequest, draft: TextDraft, stored: StoredText | None, *, status: int = 200, **context: Any
) -> HttpResponse:
    operates = may_operate(request)
    shown = _previewed(request, draft) if operates and (not draft.errors or stored) else None
    form = active.form_of(draft.channel)
    team = Team.objects.filter(pk=draft.place["team_id"]).first() if draft.team else None
    address = reverse("ops:template", args=[stored.template.pk]) if stored else reverse("ops:new-template")
    return show(
        request,
        "template",
        {
            "draft": draft,
            "stored": stored,
            "address": address,
            "preview": shown,
            "kind": KINDS[draft.kind],
            "way": CHANNELS[draft.channel],
            "language": language_word(draft.language),
            "state": STATES[stored.state] if stored else "",
            "team": team,
            "names": variables(draft.kind, form).values(),
            "filters": FILTERS.values(),
            "samples": choices(SAMPLES, sample_names(draft.kind, draft.channel)),
            "starters": list(NAMES.items()),
            "versions": message_templates.versions_of(stored.template) if stored else (),
            **context,
        },
        status=status,
    )
