"""The table of calendars that are polled by URL. Only `reminders.feeds` and `reminders.operations.calendars` write it."""

from urllib.parse import urlsplit

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from assignments.models import Team
from assignments.validators import default_time_zone, validate_time_zone

SHORTEST_MINUTES, LONGEST_MINUTES = 5, 1_440
MOST_DAYS_AHEAD = 731
STATES = ("ok", "asks", "failing", "off")
"""How a calendar is doing: asks: whether much is to be cancelled; failing: it has answered nothing since a failure."""


def state_of(*, active: bool, failing: bool, asks: bool) -> str:
    """One of STATES."""
    if not active:
        return "off"
    if failing:
        return "failing"
    return "asks" if asks else "ok"


class CalendarSource(models.Model):
    """A calendar that is read from its URL every so many minutes; each of its events becomes work.

    The URL may hold a secret: it is shown nowhere. `time_zone`, `all_day`, `kind`, `team` and `days_ahead` say what the
    calendar leaves open. `leased_until`: a process reads it until then. `failing_since` is the first of the failures in a
    row, `code` and `detail` say why. `vanished` are ids of work whose events are gone from the calendar: more than is
    cancelled without asking, so it waits for an operator since `asks_since`.
    """

    name = models.CharField(max_length=100, unique=True)
    url = models.CharField(max_length=2_000)
    time_zone = models.CharField(max_length=64, default=default_time_zone, validators=[validate_time_zone])
    all_day = models.TimeField(null=True, blank=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    kind = models.CharField(max_length=60, blank=True, default="", db_default="")
    every_minutes = models.PositiveSmallIntegerField(
        default=15, validators=[MinValueValidator(SHORTEST_MINUTES), MaxValueValidator(LONGEST_MINUTES)]
    )
    days_ahead = models.PositiveSmallIntegerField(
        default=180, validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS_AHEAD)]
    )
    active = models.BooleanField(default=True, db_default=True)
    etag = models.CharField(max_length=500, blank=True, default="", db_default="", editable=False)
    last_modified = models.CharField(max_length=100, blank=True, default="", db_default="", editable=False)
    full_read_at = models.DateTimeField(null=True, editable=False)
    next_poll_at = models.DateTimeField(db_default=Now(), editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    polled_at = models.DateTimeField(null=True, editable=False)
    succeeded_at = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    code = models.CharField(max_length=40, blank=True, default="", db_default="", editable=False)
    detail = models.CharField(max_length=500, blank=True, default="", db_default="", editable=False)
    counts = models.JSONField(default=dict, db_default={}, editable=False)
    refused = models.JSONField(default=list, db_default=[], editable=False)
    vanished = models.JSONField(default=list, db_default=[], editable=False)
    asks_since = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.CharField(max_length=150, blank=True, default="", db_default="", editable=False)

    class Meta:
        ordering = ["name", "id"]
        indexes = [
            models.Index(fields=["next_poll_at"], name="calendarsource_due_idx", condition=Q(active=True))
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def host(self) -> str:
        """Where the calendar is: all that may be shown of its URL."""
        return urlsplit(self.url).hostname or ""

    @property
    def state(self) -> str:
        """One of STATES."""
        return state_of(
            active=self.active,
            failing=self.failing_since is not None,
            asks=self.asks_since is not None,
        )
