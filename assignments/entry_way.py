"""How work came into the system."""

from django.db import models


class EntryWay(models.TextChoices):
    """How an assignment was entered."""

    API = "api"
    OPS = "ops"
    IMPORT = "import"
    CALENDAR = "calendar"
