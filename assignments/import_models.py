"""The tables behind imports: saved mappings, and files that operators have uploaded for an import by page."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from assignments.team_scope import TeamScope


class ImportMappingQuerySet(models.QuerySet["ImportMapping"]):
    """Mappings, by who may see them."""

    def visible_to(self, scope: TeamScope) -> Self:
        return self if scope.teams is None else self.filter(team__in=scope.teams)


class ImportMapping(models.Model):
    """A mapping of the columns of a table, by name (`assignments.imports.tables.mapping`).

    Who is limited to teams uses and changes those of these teams.
    """

    name = models.CharField(max_length=100, unique=True)
    team = models.ForeignKey(
        "assignments.Team", on_delete=models.CASCADE, null=True, blank=True, related_name="import_mappings"
    )
    mapping = models.JSONField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ImportMappingQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class TableUpload(models.Model):
    """A file that somebody has uploaded, until it is imported or a day old. Only its owner sees it.

    It is checked and then imported part by part: `next_part` is the first one that is still to come. Rows are counted
    without the header; `bad_rows` are those that are not accepted.
    """

    class State(models.TextChoices):
        """How far it has come."""

        MAPPING = "MAPPING", _("the mapping is being made")
        CHECKING = "CHECKING", _("its rows are being checked")
        CHECKED = "CHECKED", _("its rows are checked")
        IMPORTING = "IMPORTING", _("its rows are being imported")
        DONE = "DONE", _("its rows are imported")

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)
    content = models.BinaryField()
    charset = models.CharField(max_length=20, default="utf-8")
    mapping = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.MAPPING)
    rows = models.PositiveIntegerField(default=0)
    parts = models.PositiveIntegerField(default=0)
    next_part = models.PositiveIntegerField(default=0)
    rows_created = models.PositiveIntegerField(default=0)
    rows_updated = models.PositiveIntegerField(default=0)
    rows_unchanged = models.PositiveIntegerField(default=0)
    bad_rows = models.PositiveIntegerField(default=0)
    first_start = models.DateTimeField(null=True, editable=False)
    last_start = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="table_upload_part_in_range", condition=Q(next_part__lte=models.F("parts"))
            )
        ]

    def __str__(self) -> str:
        return self.name


class TableUploadPart(models.Model):
    """Some rows of an uploaded table, with the errors that were found in them.

    `rows` and `errors` are compressed JSON; `references` are those of the good rows, each with its row number.
    """

    upload = models.ForeignKey(TableUpload, on_delete=models.CASCADE, related_name="+")
    number = models.PositiveIntegerField()
    rows = models.BinaryField()
    errors = models.BinaryField(default=bytes)
    references = models.JSONField(default=dict)

    class Meta:
        ordering = ["upload", "number"]
        constraints = [models.UniqueConstraint(fields=["upload", "number"], name="table_upload_part_once")]

    def __str__(self) -> str:
        return f"part {self.number} of upload {self.upload_id}"
