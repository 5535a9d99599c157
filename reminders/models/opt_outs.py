"""Who wants no reminders of which rule."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from assignments.models import Assignee


class OptOut(models.Model):
    """A person wants no reminders of a rule; in force until `undone_at`. Only `ledger.opt_outs` writes it.

    `rule` is `default`, which stands for the work's own lead times too, or `rule:<id>`. `via` is how it came in. `undone_by`
    is empty where the person took it back themselves.
    """

    class Via(models.TextChoices):
        ONE_CLICK = "one_click"
        PAGE = "page"

    person = models.ForeignKey(Assignee, on_delete=models.CASCADE, related_name="opt_outs")
    rule = models.CharField(max_length=120)
    at = models.DateTimeField(db_default=Now())
    via = models.CharField(max_length=9, choices=Via)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=150, default="", db_default="", blank=True)
    undone_reason = models.CharField(max_length=500, default="", db_default="", blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["person", "rule"], name="optout_once", condition=Q(undone_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"opt-out of person {self.person_id} from {self.rule}"
