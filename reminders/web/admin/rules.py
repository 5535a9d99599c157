"""Reminder rules: what a change would do to the coming seven days is shown before it is saved."""

import hashlib
import json
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.reasons import MAX_REASON_LENGTH
from assignments.direction import isolated
from reminders import conf
from reminders.insight.rule_preview import RulePreview, preview_change
from reminders.insight.rule_progress import rule_progress
from reminders.models import ReminderRule
from reminders.operations import reminder_rules
from reminders.operations.reminder_rules import FIELDS
from reminders.web.admin.lists import AnyModelForm, CodeFilter, FastAdmin, code, instant
from reminders.web.templatetags import ops

PREVIEW_BUDGET = timedelta(seconds=3)


class RuleForm(AnyModelForm):
    """A rule. It is saved once the preview of just these values has been shown: `previewed` is their fingerprint."""

    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH, required=False, help_text=_("Kept in the audit trail beside your name.")
    )
    previewed = forms.CharField(widget=forms.HiddenInput, required=False)
    preview: RulePreview | None = None

    class Meta:
        model = ReminderRule
        fields = FIELDS
        help_texts: ClassVar[dict[str, str | Promise]] = {
            "name": _("Shown to operators wherever a reminder of this rule is explained."),
            "audience": _(
                "Assignees are reminded (before_start, at_local_time). Supervisors of the work's team, or Ops "
                "(REMINDER_OPS_EMAILS), are notified of work that is overdue, declined or not answered, and "
                "with at_local_time get a brief of the work whose assignees are not reached."
            ),
            "trigger": _("What makes it due. The fields below say which trigger they are for."),
            "minutes": _(
                "Before the start for before_start and unanswered: 1 to 43200. After it for after_overdue and "
                "on_decline: 0 to 10080; empty on_decline is at once."
            ),
            "days_before": _("For at_local_time: 0 is the day of the start, 1 the day before."),
            "at": _("For at_local_time: a time on the clock of the person, such as 18:00."),
            "condition": _(
                "not_confirmed: who has confirmed is not reminded by this rule. not_reached, for supervisors "
                "and Ops with at_local_time: they hear only of work whose assignee does not know of it and will "
                "not be told."
            ),
            "scope": _(
                "The narrowest rule applies; wider ones with the same trigger make nothing for that work."
            ),
            "scope_value": _(
                "The kind of work, or the id of the team, person or assignment; empty for everyone."
            ),
            "quiet_hours": _(
                "respect: what falls into the person's quiet hours moves, for an assignee to their beginning, "
                "for supervisors to their end. Empty, of a new rule: respect what comes more than four hours "
                "before the start, and what supervisors and Ops hear."
            ),
            "repeat_minutes": _(
                "For supervisors and Ops: notified again after so many minutes, 10 to 10080; empty: once."
            ),
            "repeat_times": _(
                "How often again at most: 1 to 20. A start, an answer or another assignee ends it."
            ),
            "mandatory": _("Assignees cannot opt out of these reminders: their mails offer no way to."),
            "verified_only": _(
                "For assignees: reminds at verified addresses alone; who has none is not reached."
            ),
            "channels": _(
                "For assignees: email, sms, chat, separated by commas; each of them over which the person has "
                "an address is used. Empty: the first of their addresses."
            ),
            "when_past": _(
                "When quiet hours had begun before the work became known: send it anyway, or skip it."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None and "quiet_hours" in self.fields:
            self.fields["quiet_hours"].required = False

    def written(self) -> dict[str, Any]:
        """The fields of the rule; quiet hours that are left open are the usual ones of a new rule."""
        values = self.cleaned_data
        return {
            name: values[name]
            for name in FIELDS
            if name in values and (name != "quiet_hours" or values[name])
        }

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.errors:
            return values
        given = self.written()
        stored = ReminderRule.objects.filter(pk=self.instance.pk).first()
        changed = reminder_rules.changed_copy(stored.pk, given) if stored else reminder_rules.unsaved(given)
        try:
            reminder_rules.check_rule(changed)
        except ValidationError as refusal:
            raise _at_their_fields(refusal, self) from refusal
        fingerprint = hashlib.sha256(json.dumps(given, default=str, sort_keys=True).encode()).hexdigest()
        if values.get("previewed") != fingerprint:
            self.preview = preview_change(
                stored=stored, changed=changed, config=conf.current(), budget=PREVIEW_BUDGET
            )
            sent = QueryDict(mutable=True)
            sent.update(self.data)
            sent["previewed"] = fingerprint
            self.data = sent
            self.add_error(None, gettext("Nothing is saved yet. Read what this would do, then save again."))
        return values


def due(rule: ReminderRule) -> str:
    """When a rule is due, in short: "60 min, then every 20 min, 2 times"."""
    if rule.trigger == ReminderRule.Trigger.AT_LOCAL_TIME:
        days = rule.days_before or 0
        return ngettext("%(at)s, %(days)s day before", "%(at)s, %(days)s days before", days) % {
            "at": f"{rule.at:%H:%M}",
            "days": days,
        }
    first = gettext("%(number)s min") % {"number": rule.minutes} if rule.minutes else gettext("at once")
    if rule.repeat_minutes is None:
        return first
    return gettext("%(first)s, then every %(repeat_minutes)s min, %(repeat_times)s times") % {
        "first": first,
        "repeat_minutes": rule.repeat_minutes,
        "repeat_times": rule.repeat_times,
    }


def _at_their_fields(refusal: ValidationError, form: forms.BaseForm) -> ValidationError:
    """The same errors; those of fields that the form does not have belong to no field."""
    return ValidationError(
        {name if name in form.fields else "__all__": errors for name, errors in refusal.error_dict.items()}
    )


@admin.register(ReminderRule)
class ReminderRuleAdmin(FastAdmin):
    """When people are reminded, beside the installation's own lead time."""

    form = RuleForm
    change_form_template = "admin/reminders/rule_form.html"
    change_list_template = "admin/reminders/rule_list.html"
    list_display = ("name", "enabled", code("audience"), code("trigger"), "when", "work")
    list_filter = ("enabled", ("audience", CodeFilter), ("trigger", CodeFilter))
    search_fields = ("name",)
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: ReminderRule | None = None) -> tuple[Any, ...]:
        return () if obj is None else (instant("changed_at"),)

    @admin.display(description=_("when"))
    def when(self, rule: ReminderRule) -> str:
        return due(rule)

    @admin.display(description=_("work"), ordering="scope")
    def work(self, rule: ReminderRule) -> str:
        scope = ops.word(rule.scope)
        return f"{scope} {isolated(rule.scope_value)}" if rule.scope_value else scope

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the address fills in, such as the forecast's link to a morning brief."""
        given = super().get_changeform_initial_data(request)
        return {"enabled": True, **{name: given[name] for name in FIELDS if name in given}}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "progress": rule_progress()})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return super().render_change_form(request, {**context, "progress": rule_progress()}, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: ReminderRule, form: Any, change: bool) -> None:
        by, reason = request.user.get_username(), form.cleaned_data["reason"]
        values = form.written()
        if change:
            reminder_rules.change_rule(obj.pk, values, by=by, reason=reason)
        else:
            obj.pk = reminder_rules.add_rule(values, by=by, reason=reason).pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: ReminderRule) -> None:
        reminder_rules.remove_rule(obj.pk, by=request.user.get_username())
