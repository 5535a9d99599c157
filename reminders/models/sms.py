"""What is kept of SMS: how many have left in each month, and which replies have been dealt with."""

from django.db import models
from django.db.models.functions import Now


class SmsMonth(models.Model):
    """How many SMS have left in a calendar month (UTC), those included of which nobody knows whether they did."""

    month = models.DateField(primary_key=True)
    messages = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}: {self.messages} SMS"


class SmsReply(models.Model):
    """A reply that has been dealt with, by the gateway's id, so that its repetition is answered alike and does nothing.

    It holds neither the number nor what was written. `contact_point` is that of the sender; `answer` is empty where none
    was sent.
    """

    sid = models.CharField(max_length=64, primary_key=True)
    received_at = models.DateTimeField(db_default=Now(), db_index=True)
    contact_point = models.BigIntegerField(db_index=True)
    outcome = models.CharField(max_length=20)
    answer = models.TextField(default="", blank=True)

    class Meta:
        verbose_name_plural = "SMS replies"

    def __str__(self) -> str:
        return f"reply {self.sid}: {self.outcome}"
