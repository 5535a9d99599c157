"""What django-allauth asks this site about: who is let in, how long a confirmation holds, how factors are stored."""

import base64
import hashlib
import ipaddress
import logging
import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.stagekit import clear_login
from allauth.account.stages import LoginStage
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.internal.constants import LoginStageKey
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext

from accounts import openid_people, second_factors, sign_in_failures
from accounts.client_address import client_address
from accounts.errors import NotAdmitted
from accounts.sign_in_failures import keyed_hash
from accounts.signals import account_changed

logger = logging.getLogger(__name__)

SITE = "Assignment reminders"
QUIET = ("account/messages/logged_in.txt", "account/messages/logged_out.txt")
"""Messages that would say what the page shows."""
UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - of a client that is connected by a Unix socket


def refused(request: HttpRequest, message: str) -> HttpResponse:
    """The page that says why somebody whom a provider or a passkey knows is not let in."""
    context = {"title": gettext("Not signed in"), "message": message}
    return render(request, "account/refused.html", context, status=403)


def report(request: HttpRequest, reason: str) -> None:
    """Logs and counts that somebody was not let in."""
    sign_in_failures.report(reason, where=keyed_hash("address", client_address(request)))


class SignInAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-in with a password or a passkey, for active members of staff."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Nothing about accounts is sent by mail."""

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        if message_template not in QUIET:
            super().add_message(request, level, message_template, *args, **kwargs)

    def is_ajax(self, request: HttpRequest) -> bool:
        """Only for what a passkey is asked; whoever posts is answered by a page."""
        return request.method == "GET" and bool(super().is_ajax(request))

    def get_client_ip(self, request: HttpRequest) -> str:
        bare = client_address(request).partition("/")[0]
        try:
            return str(ipaddress.ip_address(bare))
        except ValueError:
            return UNKNOWN_ADDRESS

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """Whoever is not of the staff gets the same answer as a wrong password."""
        user = super().authenticate(request, **credentials)
        return user if user is not None and user.is_staff else None

    def get_login_stages(self) -> list[str]:
        return ["accounts.adapters.SecondFactorStage"]

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("mfa_index")

    def pre_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse | None:
        if user.is_active and user.is_staff:
            return None
        clear_login(request)
        report(request, "not_admitted")
        return refused(request, gettext("This account cannot be used here."))

    def login(self, request: HttpRequest, user: Any) -> None:
        """Nobody is signed in without a line of the audit trail."""
        used = [str(one.get("type") or one["method"]) for one in get_authentication_records(request, user)]
        with transaction.atomic():
            super().login(request, user)
            if second_factors.came_from_provider(request.session) and settings.OPENID:
                request.session.set_expiry(settings.OPENID.session_hours * 3_600)
            account_changed.send(
                None,
                actor=user.get_username(),
                action="sign_in",
                reason="",
                before={},
                after={"with": ["openid" if one == "socialaccount" else one for one in used]},
            )

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Not within a quarter of an hour after a sign-in."""
        request = context.request
        records = get_authentication_records(request, request.user)
        latest = max((one["at"] for one in records), default=0.0)
        return bool(time.time() - latest >= settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)


class SecondFactorStage(LoginStage):  # type: ignore[misc]
    """Asks whoever has a second factor for it, unless the company's provider has asked."""

    key = LoginStageKey.MFA_AUTHENTICATE.value
    urlname = "mfa_authenticate"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        if not second_factors.of_person(self.login.user) or second_factors.provider_vouches(
            self.request.session
        ):
            return None, True
        from allauth.mfa.stages import AuthenticateStage  # Loads the library for passkeys: 10 MiB.

        asked: tuple[HttpResponse | None, bool] = AuthenticateStage(
            self.controller, self.request, self.login
        ).handle()
        return asked


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """How second factors are named and stored."""

    def get_totp_issuer(self) -> str:
        return SITE

    def _get_site_name(self) -> str:
        return SITE

    def _get_user_identifier(self, user: Any) -> str:
        return str(user.get_username())

    def build_totp_svg(self, url: str) -> str:
        """Without the declaration of XML, which HTML does not know."""
        svg: str = super().build_totp_svg(url)
        return svg[svg.index("<svg") :]

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        return gettext("Passkey")

    def encrypt(self, text: str) -> str:
        return str(self._box().encrypt(text.encode()), "ascii")

    def decrypt(self, encrypted_text: str) -> str:
        """With SECRET_KEY, or one of those before it. Raises cryptography's InvalidToken after a change of them all."""
        return str(self._box().decrypt(encrypted_text.encode()), "ascii")

    def _box(self) -> Any:
        from cryptography.fernet import Fernet, MultiFernet  # Only those who use factors need its memory.

        keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        digests = [hashlib.sha256(b"accounts.second_factor:" + key.encode()).digest() for key in keys]
        return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


class CompanyAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Sign-in at the company's OpenID provider: whoever has a group that is known here is let in."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Nothing about accounts is sent by mail."""

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Finds or adds the person, and gives them the rights that the claims say."""
        try:
            if settings.OPENID is None:
                raise NotAdmitted(gettext("Nobody signs in here by an OpenID provider."))
            user = openid_people.admitted(sociallogin.account, settings.OPENID)
        except NotAdmitted as refusal:
            report(request, "not_admitted")
            raise ImmediateHttpResponse(refused(request, str(refusal))) from refusal
        sociallogin.user = user
        sociallogin.state["process"] = "login"

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, **kwargs: Any
    ) -> None:
        """The provider's answer is of no use: its text is neither shown nor logged."""
        logger.warning(
            "Sign-in at the OpenID provider failed",
            extra={"error": str(error), "reason": type(exception).__name__},
        )
        report(request, "provider")
