"""Messages that ask whether an address is somebody's own."""

from django.db import models
from django.db.models.functions import Now


class Verification(models.Model):
    """One message by which a person shows that an address of theirs is read by them: with a link, or with a code.

    No address is kept: `address_key` is a keyed hash of channel and address, and `code_key` one of the code ('' for a link).
    `outcome` is how its one send ended ('' while it is under way, or where the process died), `guesses` how often a code was
    entered. A contact point that has another address since is not verified by it.
    """

    contact_point = models.ForeignKey(
        "assignments.ContactPoint",
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    address_key = models.CharField(max_length=64)
    code_key = models.CharField(max_length=64, default="", blank=True)
    by = models.CharField(max_length=150)
    requested_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    outcome = models.CharField(max_length=16, default="", blank=True)
    code = models.CharField(max_length=40, default="", blank=True)
    detail = models.CharField(max_length=500, default="", blank=True)
    guesses = models.PositiveSmallIntegerField(default=0)
    used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["contact_point", "requested_at"], name="verification_point_idx"),
            models.Index(fields=["address_key", "requested_at"], name="verification_address_idx"),
        ]

    def __str__(self) -> str:
        return f"verification {self.pk} of contact point {self.contact_point_id}"
