"""Records that the system writes: the ledger, circuit breakers, the audit trail, processes, erasures; and templates."""

import json
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.erasure_models import Erasure, pseudonym_of
from assignments.models import Act
from assignments.teams import all_names
from reminders.insight.explain.wording import moment
from reminders.insight.stored_words import fault_in_words
from reminders.models import (
    NO_CHANNEL,
    Audit,
    CircuitBreaker,
    MessageTemplate,
    Process,
    Reminder,
    Subscription,
    TemplateVersion,
)
from reminders.web.admin import column_names
from reminders.web.admin.lists import (
    ActionFilter,
    AnyInline,
    CodeFilter,
    NarrowedAdmin,
    RecordAdmin,
    code,
    fault,
    instant,
    reason,
    who,
)
from reminders.web.search import assignment_search, clean_text
from reminders.web.templatetags import ops


def attempts_of(reminder: Reminder) -> str | SafeString:
    """Every attempt of this row and its outcome."""
    lines = format_html_join(
        "",
        "<li>{} <strong>{}</strong> {} {}</li>",
        (
            (
                gettext("%(number)s. %(start)s to %(end)s:")
                % {
                    "number": attempt.number,
                    "start": moment(attempt.started_at),
                    "end": date_format(timezone.localtime(attempt.finished_at), "H:i:s"),
                },
                ops.words(attempt.outcome),
                attempt.code,
                fault_in_words(attempt.detail),
            )
            for attempt in reminder.attempt_rows.all()
        ),
    )
    return format_html("<ul>{}</ul>", lines) if lines else gettext("none")


def pretty(value: object) -> SafeString:
    """JSON as people read it."""
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))


@admin.register(Reminder)
class ReminderAdmin(NarrowedAdmin, RecordAdmin):
    """The ledger: one row for each message, sent or planned."""

    list_display = (
        "due",
        "assignment_link",
        code("kind"),
        code("state"),
        code("reason"),
        who("recipient"),
        "way",
        "sent",
        "attempts",
    )
    list_display_links = ("due",)
    list_filter = (("state", CodeFilter), ("kind", CodeFilter), ("reason", CodeFilter))
    list_select_related = ("assignment",)
    ordering = ("-id",)
    search_fields = ("assignment__reference",)
    search_help_text = _("Reference, title, place, the assignee's name, address or number, or #id")
    fields = (
        *("assignment_link", "version", code("kind"), code("state"), code("reason"), who("recipient"), "way"),
        *map(instant, ("due_at", "not_after", "next_attempt_at", "planned_at", "planned_start", "begun_at")),
        *map(instant, ("lease_until", "sent_at", "closed_at")),
        *("ticket", "attempts", "failures", "ambiguous", "message_id", "digest_id", "attempts_shown"),
    )

    @admin.display(description=_("due"), ordering="due_at")
    def due(self, reminder: Reminder) -> str:
        return moment(reminder.due_at)

    @admin.display(description=_("channel"), ordering="channel")
    def way(self, reminder: Reminder) -> str:
        return "-" if reminder.channel == NO_CHANNEL else ops.way(reminder.channel)

    @admin.display(description=column_names.SENT, ordering="sent_at")
    def sent(self, reminder: Reminder) -> str:
        return moment(reminder.sent_at)

    @admin.display(description=_("assignment"))
    def assignment_link(self, reminder: Reminder) -> SafeString:
        url = reverse("admin:assignments_assignment_change", args=[reminder.assignment_id])
        return format_html('<a href="{}">{}</a>', url, reminder.assignment.title)

    @admin.display(description=_("attempts"))
    def attempts_shown(self, reminder: Reminder) -> str | SafeString:
        return attempts_of(reminder)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Reminder], search_term: str
    ) -> tuple[QuerySet[Reminder], bool]:
        """As the Ops list of reminders does, beside every filter."""
        text = clean_text(search_term)
        return (queryset.filter(assignment_search(text, prefix="assignment__")) if text else queryset), False


@admin.register(CircuitBreaker)
class CircuitBreakerAdmin(RecordAdmin):
    """Channels that are not used at present, and until when."""

    list_display = ("channel", instant("since"), instant("until"), "failures", "code", fault("detail"))


@admin.register(Subscription)
class SubscriptionAdmin(NarrowedAdmin, RecordAdmin):
    """Webhook subscriptions. They are created and changed over the API; secrets are never shown."""

    list_display = (
        "name",
        "host",
        "events_shown",
        "active",
        "created_by",
        instant("ended_at"),
        reason("ended_why"),
    )
    list_filter = ("active",)
    fields = (
        "name",
        "host",
        "events_shown",
        "teams_shown",
        "active",
        instant("created_at"),
        "created_by",
        instant("former_until"),
        instant("ended_at"),
        reason("ended_why"),
    )

    @admin.display(description=_("host"))
    def host(self, one: Subscription) -> str:
        return urlsplit(one.url).hostname or "-"

    @admin.display(description=_("events"))
    def events_shown(self, one: Subscription) -> SafeString:
        return format_html_join(", ", "<code>{}</code>", ((name,) for name in one.events))

    @admin.display(description=_("teams"))
    def teams_shown(self, one: Subscription) -> str:
        if one.teams is None:
            return gettext("all work")
        names = all_names()
        return ", ".join(names.get(pk, gettext("%(pk)s (removed)") % {"pk": pk}) for pk in one.teams)


@admin.register(Act)
class ActAdmin(NarrowedAdmin, RecordAdmin):
    """What people did about their work, and which way it came in."""

    list_display = (
        instant("at"),
        "assignment_link",
        code("act"),
        code("via"),
        who("actor"),
        "minutes",
        "note",
        "version",
    )
    list_display_links = (instant("at"),)
    list_filter = (("act", CodeFilter), ("via", CodeFilter))
    list_select_related = ("assignment",)
    ordering = ("-id",)
    fields = (
        instant("at"),
        "assignment_link",
        code("act"),
        code("via"),
        who("actor"),
        "version",
        "minutes",
        "note",
    )

    @admin.display(description=_("assignment"))
    def assignment_link(self, act: Act) -> SafeString:
        url = reverse("admin:assignments_assignment_change", args=[act.assignment_id])
        return format_html('<a href="{}">{}</a>', url, act.assignment.title)


@admin.register(Audit)
class AuditAdmin(RecordAdmin):
    """What operators did, to what, and why."""

    list_display = (instant("at"), who("actor"), code("action"), reason("reason", ordering="reason"))
    list_filter = (("action", ActionFilter),)
    search_fields = ("actor", "reason")
    fields = (
        instant("at"),
        who("actor"),
        code("action"),
        reason("reason", ordering="reason"),
        "selection_shown",
        "before_shown",
        "after_shown",
    )

    @admin.display(description=_("selection"))
    def selection_shown(self, audit: Audit) -> SafeString:
        return pretty(audit.selection)

    @admin.display(description=_("before"))
    def before_shown(self, audit: Audit) -> SafeString:
        return pretty(audit.before)

    @admin.display(description=_("after"))
    def after_shown(self, audit: Audit) -> SafeString:
        return pretty(audit.after)


@admin.register(Process)
class ProcessAdmin(RecordAdmin):
    """The processes with a recent heartbeat."""

    list_display = ("kind", "host", "pid", instant("started_at"), instant("seen_at"))
    list_filter = ("kind",)
    ordering = ("-seen_at",)


class VersionInline(AnyInline):
    """The texts of a template as they were saved, the newest first."""

    model = TemplateVersion
    verbose_name_plural = _("Versions")
    fields = readonly_fields = (
        "number",
        "subject",
        "body",
        "note",
        "made_by",
        instant("made_at"),
        "restored_from",
    )
    ordering = ("-number",)
    extra = max_num = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(MessageTemplate)
class MessageTemplateAdmin(RecordAdmin):
    """Texts that operators wrote instead of the built-in ones."""

    list_display = (
        "__str__",
        code("kind"),
        code("channel"),
        "language",
        "team",
        "version",
        instant("changed_at"),
    )
    list_select_related = ("team",)
    fields = (code("kind"), code("channel"), "language", "team", "version", instant("changed_at"), "written")
    inlines = (VersionInline,)

    @admin.display(description=_("where it is written"))
    def written(self, one: MessageTemplate) -> SafeString:
        address = reverse("ops:template", args=[one.pk])
        return format_html('<a href="{}">{}</a>', address, gettext("Texts of messages"))

    @admin.display(description=_("version in use"))
    def version(self, one: MessageTemplate) -> str:
        return gettext("the built-in text") if one.active_number is None else str(one.active_number)


@admin.register(Erasure)
class ErasureAdmin(RecordAdmin):
    """Who was erased, under the pseudonym, and how far it has come. What is looked for in texts is never shown."""

    list_display = ("pseudonym", instant("at"), instant("finished_at"))
    ordering = ("-at",)
    fields = ("pseudonym", instant("at"), instant("finished_at"), "table", "counts_shown")

    @admin.display(description=_("person"))
    def pseudonym(self, one: Erasure) -> str:
        return pseudonym_of(one.pk)

    @admin.display(description=_("rows that were changed, by table"))
    def counts_shown(self, one: Erasure) -> SafeString:
        return pretty(one.counts)
