"""API tokens, stored as hashes, and the state of the rate limit."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

SCOPES = ("read", "write", "ops", "privacy")
MAX_LIFETIME_DAYS = 3_650
"""Of an API token that expires by itself."""
PREFIX = "art_"


def digest(token: str) -> str:
    """SHA-256 of a token. Tokens are long and random, so a slow hash would add no protection."""
    return hashlib.sha256(token.encode()).hexdigest()


class ApiToken(models.Model):
    """Lets a program call the API within its scopes. `prefix` is its visible beginning, to recognise it by.

    `teams` are the ids of the teams that it is limited to; null: it sees everything.
    """

    PREFIX_LENGTH = 10

    name = models.CharField(
        max_length=100,
        unique=True,
        validators=[RegexValidator(r"^[\w .:@-]+\Z", "letters, digits and . : @ - are accepted")],
    )
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.CharField(max_length=40)
    teams = ArrayField(models.BigIntegerField(), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(
        cls, name: str, *, scopes: list[str], days: int | None, teams: list[int] | None = None
    ) -> tuple["ApiToken", str]:
        """Creates a token. Returns its record, and the secret, which cannot be read again.

        Raises ValidationError for an unknown scope, a lifetime out of range, and a name that is taken or invalid.
        """
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            message = f"scopes are {','.join(scopes)!r}: some of {','.join(SCOPES)} are needed"
            raise ValidationError({"scopes": ValidationError(message, code="unknown_scope")})
        if days is not None and not 1 <= days <= MAX_LIFETIME_DAYS:
            message = f"days is {days}: a whole number from 1 to {MAX_LIFETIME_DAYS} is needed"
            raise ValidationError({"days": ValidationError(message, code="out_of_range")})
        secret = PREFIX + secrets.token_urlsafe(32)
        expires_at = timezone.now() + timedelta(days=days) if days is not None else None
        token = cls(
            name=name,
            prefix=secret[: cls.PREFIX_LENGTH],
            digest=digest(secret),
            scopes=",".join(scope for scope in SCOPES if scope in scopes),
            expires_at=expires_at,
            teams=teams,
        )
        token.full_clean()
        token.save()
        return token, secret

    def allows(self, scope: str) -> bool:
        """Whether the token carries the scope."""
        return scope in self.scopes.split(",")

    def state(self, now: datetime) -> str:
        """'good', 'expired' or 'revoked'."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "good"


class TeamLimit(models.Model):
    """A person who signs in and sees work of these teams only. Whoever has no such row sees everything.

    An id whose team was removed stays: the person does not see more for it.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="team_limit"
    )
    teams = ArrayField(models.BigIntegerField())

    def __str__(self) -> str:
        return f"teams of {self.user}"


class Allowance(models.Model):
    """When a caller has its full allowance again; see `accounts.throttle`. The table is UNLOGGED."""

    caller = models.CharField(max_length=40, primary_key=True)
    full_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.caller


class Preferences(models.Model):
    """What a person has set for themselves. Without a row, or with an empty `time_zone`, it is the installation's; with an
    empty `language`, what the browser asks for."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="preferences"
    )
    time_zone = models.CharField(max_length=64, default="", db_default="", blank=True)
    language = models.CharField(max_length=10, default="", db_default="", blank=True)

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"preferences of {self.user}"


class SavedView(models.Model):
    """The filters of a list that a person has saved under a name. `page` names the list, `query` is that of its address."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    page = models.CharField(max_length=20)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1_000)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["user", "page", "name"], name="saved_view_once")]

    def __str__(self) -> str:
        return self.name
