"""The forms of django-allauth as this site shows them."""

from datetime import timedelta
from typing import Any

from allauth.account.forms import ChangePasswordForm, LoginForm
from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from django.utils.translation import gettext

from accounts import allowances
from accounts.allowances import Rate
from accounts.sign_in import passed
from accounts.sign_in_failures import keyed_hash

ONCE = Rate(1, timedelta(seconds=120))
"""A code of an authenticator app is accepted once; it is valid for 90 seconds at most."""


class SignInForm(LoginForm):  # type: ignore[misc]
    """Name and password. The field is called `username`, as that of Django's own login."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name, password = self.fields["login"], self.fields["password"]
        name.label, password.label = gettext("Name"), gettext("Password")
        name.widget.attrs = {"autocomplete": "username", "autocapitalize": "none", "autofocus": True}
        password.widget.attrs = {"autocomplete": "current-password"}
        password.help_text = ""

    def add_prefix(self, field_name: str) -> str:
        return "username" if field_name == "login" else str(super().add_prefix(field_name))


class NewPasswordForm(ChangePasswordForm):  # type: ignore[misc]
    """The old password, and a new one twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = {
            "oldpassword": gettext("Your password now"),
            "password1": gettext("New password"),
            "password2": gettext("New password again"),
        }
        for name, label in labels.items():
            self.fields[name].label = label
            self.fields[name].widget.attrs.pop("placeholder", None)

    def clean_oldpassword(self) -> str:
        password = super().clean_oldpassword()
        passed(context.request)
        return str(password)


class _Once:
    """Accepts a code of an authenticator app once, in whichever process."""

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        authenticator = self.authenticator  # type: ignore[attr-defined]
        if authenticator.type == Authenticator.Type.TOTP:
            used = keyed_hash("code", f"{authenticator.pk}:{''.join(code.split())}")
            if allowances.take(f"used:{used}", ONCE) is not None:
                raise get_adapter().validation_error("incorrect_code")
        return code


class SecondStepForm(_Once, AuthenticateForm):  # type: ignore[misc]
    """The second step of a sign-in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _as_code(self)


class ConfirmByCodeForm(_Once, ReauthenticateForm):  # type: ignore[misc]
    """Confirms who somebody is by a code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _as_code(self)


def _as_code(form: Any) -> None:
    form.fields["code"].label = gettext("Code")
    form.fields["code"].help_text = gettext("From your authenticator app, or one of your recovery codes.")
    form.fields["code"].widget.attrs = {
        "autocomplete": "one-time-code",
        "inputmode": "numeric",
        "autofocus": True,
    }
