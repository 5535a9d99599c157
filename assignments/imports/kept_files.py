"""How long a file is kept that somebody has uploaded."""

from datetime import timedelta

from assignments.clock import database_now
from assignments.import_models import TableUpload

MOST_AT_ONCE = 100
"""Each has up to thousands of parts, which go with it."""


def prune_uploads(*, after: timedelta) -> None:
    """Removes the oldest of the files that were uploaded longer ago, MOST_AT_ONCE at most."""
    old = TableUpload.objects.filter(created_at__lt=database_now() - after).order_by("created_at")
    TableUpload.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:MOST_AT_ONCE])).delete()
