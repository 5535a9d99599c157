"""What runs and what operators do: scans, pauses, processes, the audit trail, and answers kept for repeated calls."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext, pgettext

from assignments.wording import code_in_words


class ScanRun(models.Model):
    """One scan: who asked for it, when, and what it found. Dead when `alive_until` has passed."""

    class Trigger(models.TextChoices):
        BEAT = "beat"
        API = "api"
        CLI = "cli"
        ADMIN = "admin"
        STARTUP = "startup"
        STANDBY = "standby"

    trigger = models.CharField(max_length=8, choices=Trigger)
    by = models.CharField(max_length=150, default="", blank=True)
    started_at = models.DateTimeField(db_default=Now())
    alive_until = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    counts = models.JSONField(null=True)
    error = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["finished_at"], name="scanrun_finished_idx")]

    def __str__(self) -> str:
        return gettext("scan %(pk)s") % {"pk": self.pk}


PAUSE_IN_FORCE = Q(ended_at__isnull=True) & (Q(until__isnull=True) | Q(until__gt=Now()))
"""Which row of `Pause` holds sending now; the ledger's `fragments.ACTIVE_PAUSE` is the same in SQL."""


class Pause(models.Model):
    """A pause: while a row is in force nothing is sent. OVERDUE is still marked."""

    by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500)
    since = models.DateTimeField(db_default=Now())
    until = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, default="", blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return gettext("pause of %(since)s") % {"since": f"{self.since:%Y-%m-%d %H:%M}"}


class Audit(models.Model):
    """What an operator did, to what, and why. Append-only: a trigger refuses all else for two years."""

    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=40)
    reason = models.CharField(max_length=500, default="", blank=True)
    selection = models.JSONField(default=dict)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["action"], name="audit_action_idx"),
            models.Index(fields=["at"], name="audit_at_idx"),
        ]
        verbose_name_plural = "audit trail"
        permissions = [
            ("operate", "May pause, resume, rescan, reset and resend"),
            ("privacy", "May export what is known of a person, and erase them"),
        ]

    def __str__(self) -> str:
        return gettext("%(action)s by %(actor)s") % {
            "action": code_in_words(self.action),
            "actor": pgettext("actor", "system") if self.actor == "system" else self.actor,
        }


class StoredResponse(models.Model):
    """The response to a POST under its caller's Idempotency-Key, for the same request sent again."""

    caller = models.CharField(max_length=160)
    key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64, db_column="sent")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.JSONField()
    at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        db_table = "reminders_keptanswer"
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="kept_answer_once")]

    def __str__(self) -> str:
        return f"response to {self.caller}"


class Process(models.Model):
    """A running process; its heartbeat is recorded every ten seconds.

    `clock_ahead_seconds` is how far its host's clock was ahead of the database's, `enabled` its master switch and
    `rules` the fingerprint of its settings. A row of kind "scrape" is a web process whose metrics were read.
    """

    kind = models.CharField(max_length=12)
    host = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    clock_ahead_seconds = models.FloatField(null=True)
    enabled = models.BooleanField(null=True)
    rules = models.CharField(max_length=16, default="", db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "host", "pid"], name="process_once")]
        verbose_name_plural = "processes"

    def __str__(self) -> str:
        return gettext("%(kind)s %(pid)s on %(host)s") % {
            "kind": self.kind,
            "pid": self.pid,
            "host": self.host,
        }
