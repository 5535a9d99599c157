"""What is kept of the ways out: subscriptions to webhooks, breakers, paces, and windows of digests."""

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext

from assignments.team_scope import TeamScope


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    """Subscriptions, by who may see them: a limited caller sees those that hear of nothing but its teams."""

    def visible_to(self, scope: TeamScope) -> Self:
        return self if scope.teams is None else self.filter(teams__contained_by=sorted(scope.teams))


class Subscription(models.Model):
    """A program that is told of events at its URL. `secret` signs what it gets; until `former_until` the one
    before does too, so that a change of secrets loses nothing. Both are texts as `webhooks.new_secret` makes them.
    `teams` are the ids of the teams of whose work it hears; null: of everything.
    """

    name = models.CharField(max_length=100)
    url = models.CharField(max_length=2_000)
    events = ArrayField(models.CharField(max_length=40))
    secret = models.CharField(max_length=100)
    former_secret = models.CharField(max_length=100, default="", db_default="", blank=True)
    former_until = models.DateTimeField(null=True, blank=True)
    active = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=150)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_why = models.CharField(max_length=500, default="", db_default="", blank=True)
    teams = ArrayField(models.BigIntegerField(), null=True, blank=True)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class CircuitBreaker(models.Model):
    """Keeps sends away from a route that does not work: a channel, or the endpoint of one subscription.

    It is open until `until`; each failure in a row doubles that time (5 s up to 60 s, for an endpoint up to 10 minutes).
    """

    channel = models.CharField(max_length=80, primary_key=True)
    since = models.DateTimeField(db_default=Now())
    until = models.DateTimeField()
    failures = models.PositiveIntegerField(default=1)
    code = models.CharField(max_length=40, default="", blank=True)
    detail = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        db_table = "reminders_channelhold"

    def __str__(self) -> str:
        return gettext("%(channel)s: open until %(until)s") % {
            "channel": self.channel,
            "until": f"{self.until:%Y-%m-%d %H:%M:%S %Z}",
        }


class ChannelPace(models.Model):
    """How many messages a minute a channel takes that has said that it is sent too much, or whose limit is configured.

    `tokens` is what may be handed over now (see `policy.pace`). `throttled_at`, `code` and `detail` are its last
    complaint, `since` is the first one.
    """

    channel = models.CharField(max_length=80, primary_key=True)
    per_minute = models.FloatField()
    tokens = models.FloatField(default=0)
    refilled_at = models.DateTimeField()
    raised_at = models.DateTimeField()
    throttled_at = models.DateTimeField(null=True)
    since = models.DateTimeField(null=True)
    code = models.CharField(max_length=40, default="", db_default="", blank=True)
    detail = models.CharField(max_length=500, default="", db_default="", blank=True)

    def __str__(self) -> str:
        return f"{self.channel}: about {self.per_minute:.0f} a minute"


class DigestWindow(models.Model):
    """Until when notices to this supervisor over this channel wait to be joined in one message, for one has just left."""

    pk = models.CompositePrimaryKey("recipient", "channel")
    recipient = models.CharField(max_length=80)
    channel = models.CharField(max_length=20)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.recipient} over {self.channel}: until {self.until}"


class BouncePoll(models.Model):
    """The polls of BOUNCE_MAILBOX_URL, in one row: when the next one is due, who is at it, and since when none succeeds."""

    next_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    polled_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, db_default=0)
    code = models.CharField(max_length=20, default="", db_default="")
    detail = models.CharField(max_length=200, default="", db_default="")

    def __str__(self) -> str:
        return f"polls of the mailbox, next at {self.next_at:%H:%M:%S}"
