"""The form for passkeys; it loads the library for them, of 10 MiB."""

from typing import Any

from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django.utils.translation import gettext


class PasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """Adds a passkey, by default one that signs in by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = gettext("Name of the passkey")
        self.fields["name"].help_text = gettext("So that you know it again, such as “Laptop”.")
        self.fields["passwordless"].label = gettext("Sign in with it alone")
        self.fields["passwordless"].help_text = gettext(
            "Without name and password. The device then asks for its PIN, fingerprint or face. "
            "Switch it off for a security key that has none of these: it is a second factor after the password then."
        )
        self.initial.setdefault("passwordless", True)
