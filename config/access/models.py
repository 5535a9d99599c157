"""API tokens: shown once, kept as a hash."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

SCOPES = ("read", "write", "ops")
PREFIX = "art_"


def digest(token: str) -> str:
    """SHA-256 of a token. Tokens are random and long, so that a slow hash would protect nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


class ApiToken(models.Model):
    """Lets a program call the API within its scopes. `prefix` is what people recognise it by."""

    PREFIX_LENGTH = 10

    name = models.CharField(
        max_length=100,
        unique=True,
        validators=[RegexValidator(r"^[\w .:@-]+\Z", "letters, digits and . : @ - are accepted")],
    )
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.CharField(max_length=40)
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
    def issue(cls, name: str, *, scopes: list[str], days: int | None) -> tuple["ApiToken", str]:
        """Makes a token. Returns its record, and the secret that nobody can read again.

        Raises ValueError for an unknown scope, ValidationError for a name that is taken or not accepted.
        """
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise ValueError(f"scopes are {','.join(scopes)!r}: some of {','.join(SCOPES)} are needed")
        secret = PREFIX + secrets.token_urlsafe(32)
        expires_at = timezone.now() + timedelta(days=days) if days is not None else None
        token = cls(
            name=name,
            prefix=secret[: cls.PREFIX_LENGTH],
            digest=digest(secret),
            scopes=",".join(scope for scope in SCOPES if scope in scopes),
            expires_at=expires_at,
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


class Allowance(models.Model):
    """When a caller has all its calls of a minute again; see `config.access.throttle`. The table is not logged."""

    caller = models.CharField(max_length=40, primary_key=True)
    full_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.caller
