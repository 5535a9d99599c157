"""Texts that operators write instead of the built-in ones."""

from typing import Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.contact_point import ContactChannel
from assignments.models import Team
from assignments.team_scope import TeamScope


class MessageTemplateQuerySet(models.QuerySet["MessageTemplate"]):
    """Templates, by who may see them: a limited caller sees those of its teams."""

    def visible_to(self, scope: TeamScope) -> Self:
        return self if scope.teams is None else self.filter(team__in=scope.teams)


class MessageTemplate(models.Model):
    """The text of one kind of message over one channel in one language, for the work of a team or (null) of everybody.

    `active_number` is the number of the version in force; null: the built-in text is. `revision` is raised by every change,
    so that processes see that there was one. Only `operations.message_templates` writes it.
    """

    class Kind(models.TextChoices):
        REMINDER = "reminder", _("Reminder")
        REMINDERS = "reminders", _("Several reminders in one")
        CORRECTION = "correction", _("Correction")
        OVERDUE = "overdue", _("Overdue work")
        ESCALATION = "escalation", _("Answer of an assignee, or none")
        DIGEST = "digest", _("Several notices in one")

    kind = models.CharField(max_length=12, choices=Kind)
    channel = models.CharField(max_length=20, choices=ContactChannel)
    language = models.CharField(max_length=20)
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.CASCADE, related_name="message_templates"
    )
    active_number = models.PositiveIntegerField(null=True)
    revision = models.PositiveIntegerField(default=0, db_default=0)
    changed_at = models.DateTimeField(db_default=Now())

    objects = MessageTemplateQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "channel", "language", "team_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "channel", "language", "team"],
                name="message_template_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        name = f"{self.get_kind_display()}, {self.get_channel_display()}, {self.language}"
        if self.team_id is None:
            return name
        return gettext("%(name)s of team %(team_id)s") % {"name": name, "team_id": self.team_id}


MESSAGE_KINDS = MessageTemplate.Kind.values


class TemplateVersion(models.Model):
    """A text of a template as somebody saved it. Written once; a trigger of the database refuses every change, but that
    words go while the person is erased whom they name.

    `restored_from` is the number of the version whose text it repeats.
    """

    template = models.ForeignKey(MessageTemplate, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    subject = models.CharField(max_length=300, default="", blank=True)
    body = models.TextField()
    note = models.CharField(max_length=500, default="", blank=True)
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField(db_default=Now())
    restored_from = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ["template_id", "number"]
        constraints = [models.UniqueConstraint(fields=["template", "number"], name="template_version_once")]

    def __str__(self) -> str:
        return gettext("version %(number)s of template %(template_id)s") % {
            "number": self.number,
            "template_id": self.template_id,
        }
