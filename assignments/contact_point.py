"""The table of the addresses of people. Only `assignments.contact_points` writes it, and the trigger that it names."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ContactChannel(models.TextChoices):
    """The ways in which a person may be reached; each is a channel of `notifications.channels`."""

    EMAIL = "email", _("e-mail")
    SMS = "sms", "SMS"
    CHAT = "chat", _("chat")


def hidden(url: str) -> str:
    """The scheme of a URL that may hold a secret."""
    return f"{url.partition(':')[0]}://..."


class ContactPoint(models.Model):
    """One address of a person over one channel. `order` says in which order they are tried, 1 first.

    `address` is an e-mail address, a telephone number (E.164), or the URL of a chat service. No message goes to a point
    with `opted_out_at`; one with `failing_since` is tried after all others, because messages to it came back. The first
    e-mail and SMS points are the person's `email` and `phone`: a trigger keeps the points like these columns, which an
    import, or an earlier release beside this one, writes alone. (The migration gives the foreign key its constraint: with
    ON DELETE CASCADE, for that release.)
    """

    person = models.ForeignKey(
        "assignments.Assignee", on_delete=models.CASCADE, related_name="contact_points", db_constraint=False
    )
    channel = models.CharField(max_length=20, choices=ContactChannel)
    address = models.CharField(max_length=500)
    order = models.PositiveSmallIntegerField()
    address_since = models.DateTimeField(db_default=Now(), editable=False)
    verified_at = models.DateTimeField(null=True, blank=True, editable=False)
    opted_out_at = models.DateTimeField(null=True, blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    failing_reason = models.CharField(max_length=200, default="", db_default="", blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["person", "order", "id"]
        indexes = [models.Index(fields=["channel", "address"], name="contact_point_address_idx")]
        constraints = [
            models.UniqueConstraint(fields=["person", "channel", "address"], name="contact_point_once"),
            models.CheckConstraint(name="contact_point_has_address", condition=~Q(address="")),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} {self.order}"

    @property
    def shown_address(self) -> str:
        """The address for people to read. Of a chat service only which one: the rest of its URL may be a secret."""
        return hidden(self.address) if self.channel == ContactChannel.CHAT else self.address
