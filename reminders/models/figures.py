"""Figures: counters that processes add to, and statistics that are counted for everybody."""

from django.db import models


class Counter(models.Model):
    """A business counter, or a bucket of a histogram; summed over the slots at scrape.

    A slot keeps processes off each other's rows. Values only grow.
    """

    pk = models.CompositePrimaryKey("name", "labels", "slot")
    name = models.CharField(max_length=80)
    labels = models.CharField(max_length=200)
    slot = models.SmallIntegerField()
    value = models.FloatField(default=0)

    def __str__(self) -> str:
        return f"{self.name}{{{self.labels}}}"


class Statistics(models.Model):
    """The one row of figures that page and metrics share, refreshed every 15 seconds."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    taken_at = models.DateTimeField()
    values = models.JSONField(default=dict)

    class Meta:
        db_table = "reminders_figures"
        verbose_name_plural = "statistics"

    def __str__(self) -> str:
        return f"statistics of {self.taken_at}"
