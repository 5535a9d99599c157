"""What django-allauth announces: a secret was right; second factors and passwords were changed, for the audit trail."""

from typing import Any

from allauth.account.signals import authentication_step_completed, password_changed
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from django.db import transaction
from django.http import HttpRequest

from accounts.sign_in import passed
from accounts.signals import account_changed


def connect() -> None:
    """Once for each process."""
    authentication_step_completed.connect(on_step, dispatch_uid="accounts.step")
    password_changed.connect(on_password_changed, dispatch_uid="accounts.password_changed")
    authenticator_added.connect(on_added, dispatch_uid="accounts.added")
    authenticator_removed.connect(on_removed, dispatch_uid="accounts.removed")
    authenticator_reset.connect(on_renewed, dispatch_uid="accounts.renewed")


def on_step(*, request: HttpRequest, **_: object) -> None:
    passed(request)


def on_password_changed(*, user: Any, **_: object) -> None:
    _record(user, "change_password")


def on_added(*, user: Any, authenticator: Any, **_: object) -> None:
    _record(user, "add_second_factor", factor=authenticator.type)


def on_removed(*, user: Any, authenticator: Any, **_: object) -> None:
    _record(user, "remove_second_factor", factor=authenticator.type)


def on_renewed(*, user: Any, **_: object) -> None:
    _record(user, "renew_recovery_codes")


def _record(user: Any, action: str, **details: str) -> None:
    """All of them are done by their owner."""
    name = user.get_username()
    with transaction.atomic():
        account_changed.send(
            None, actor=name, action=action, reason="", before={}, after={"name": name, **details}
        )
