"""The tables behind erased people. Only `assignments.erasing` and `assignments.erased_keys` write them, and who takes the
person out of texts (`Erasure`)."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext

from assignments.models import Assignee


def pseudonym_of(person_id: int) -> str:
    """What stands for an erased person wherever they were named: always the same, and it says nothing of them."""
    return f"erased-person-{person_id}"


class ErasedKey(models.Model):
    """A keyed hash of a reference or an address of an erased person, so that no other system brings them back by it."""

    person = models.ForeignKey(Assignee, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["key", "person"], name="erased_key_once")]

    def __str__(self) -> str:
        return f"key of erased person {self.person_id}"


class Erasure(models.Model):
    """The erasure of a person, who is nameless from its first moment; texts that name them follow, table by table.

    `words` are what is looked for in texts, only until `finished_at`. `xid` is the transaction that began it. `table` and
    `after` say how far it has come: the table, and the primary key of its last row that was looked at. `counts` are how
    many rows were changed or removed, by table. While it is not finished, the database lets append-only tables change in
    one way: parts of their texts may become the pseudonym (the migration that makes this table).
    """

    person = models.OneToOneField(Assignee, on_delete=models.CASCADE, primary_key=True, related_name="+")
    at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    xid = models.BigIntegerField(default=0, db_default=0)
    words = models.JSONField(default=dict, db_default={})
    table = models.CharField(max_length=80, default="", db_default="")
    after = models.JSONField(null=True)
    counts = models.JSONField(default=dict, db_default={})

    class Meta:
        indexes = [
            models.Index(
                fields=["person"], name="erasure_unfinished_idx", condition=Q(finished_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return gettext("erasure of person %(person_id)s") % {"person_id": self.person_id}
