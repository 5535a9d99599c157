"""How long a file is kept that somebody has uploaded."""

from datetime import timedelta

from assignments.clock import database_now
from assignments.import_models import TableUpload

KEPT = timedelta(days=1)


def prune_uploads() -> None:
    """Removes the files that are a day old."""
    TableUpload.objects.filter(created_at__lt=database_now() - KEPT).delete()
