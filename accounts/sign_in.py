"""Limits wherever a secret can be tried: to sign in, and to confirm who somebody is (docs/decisions/0019, 0046).

Hashing a password is slow on purpose, and passwords may be guessed. So a try takes one from the allowance of its address, of
this name at this address, and of the name anywhere, before the password is hashed; one that succeeds gives them back. Codes
of a second factor have an allowance of their own, wherever they come from: whoever tries them knows the password. Each web
process hashes one password at a time, and so keeps its threads for everybody else. A flood is refused without the database.
Names and addresses are stored and logged as keyed hashes only; the audit trail has the names of accounts that exist.
"""

import logging
import math
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from accounts import allowances, sign_in_failures
from accounts.allowances import Rate
from accounts.client_address import client_address
from accounts.sign_in_failures import keyed_hash
from accounts.signals import account_changed

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]

PER_ADDRESS = Rate(20, timedelta(seconds=15))
PER_NAME_AND_ADDRESS = Rate(5, timedelta(minutes=1))
PER_NAME = Rate(50, timedelta(minutes=1))
"""Not for browsers in which this name has signed in before, so that a stranger cannot lock anybody out."""
PER_NAME_CODES = Rate(5, timedelta(minutes=1))
"""Six digits are guessed within days at this rate, by somebody who knows the password; each try is in the audit trail."""

PLACES, PLACES_OF_THE_KNOWN = 3, 2
"""Sign-ins that one process takes at a time, the one whose password is being hashed among them. Browsers in which the name
has signed in before have places of their own, so that a flood from many addresses keeps nobody out who works here."""
BUSY_SECONDS = 2
KNOWN_COOKIE = "signed_in_before"
KNOWN_DAYS = 90
MAX_REMEMBERED = 10_000
"""How many empty allowances a process remembers, so that it need not ask for them."""

Limits = Sequence[tuple[str, Rate]]
"""Callers (keys of `Allowance`) and their rates, in the order in which they are asked."""

WORDS = {
    "credentials": "wrong password",
    "second_factor": "wrong code of the second factor",
    "passkey": "a passkey that is not valid",
    "limited": "refused: too many failures before",
}
"""Why a sign-in failed, for the audit trail."""

_places = {
    False: threading.BoundedSemaphore(PLACES),
    True: threading.BoundedSemaphore(PLACES_OF_THE_KNOWN),
}
_hashing = threading.Lock()
_empty_until: dict[str, float] = {}
"""Allowances that this process has found empty, by time.monotonic()."""


class SignInRefused(Exception):
    """The sign-in is not tried. `reason`: 'limited' or 'busy'; `wait`: seconds; `found_empty`: an allowance, just now."""

    def __init__(self, reason: str, wait: float, *, found_empty: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.wait, self.found_empty = reason, math.ceil(wait), found_empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A form in which a secret is tried. `name_of`: the account that it is tried for; '' where only the secret says so.
    `secrets`: its fields. `failure`: one of `signals.SIGN_IN_FAILURES`."""

    name_of: Callable[[HttpRequest], str]
    secrets: tuple[str, ...]
    failure: str

    @property
    def hashes(self) -> bool:
        """Whether the secret is a password."""
        return self.failure == "credentials"


def passed(request: HttpRequest) -> None:
    """Says that the secret in this request is the right one."""
    request.secret_is_right = True  # type: ignore[attr-defined]


def guarded(view: View, door: Door) -> View:
    """The view of a door with limits. Whatever finds the secret right calls `passed`."""

    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        given = request.method == "POST" and any(request.POST.get(field) for field in door.secrets)
        name = door.name_of(request) if given else ""
        if not name and (not given or door.hashes):
            return view(request, *args, **kwargs)
        who = keyed_hash("name", unicodedata.normalize("NFKC", name).casefold().strip()) if name else ""
        where = keyed_hash("address", client_address(request))
        known = bool(who) and (request.user.get_username() == name or is_known(request, who))
        limits = limits_of(where, who, known=known, codes=not door.hashes)
        try:
            with a_place(limits, known=known):
                take(limits)
                with _hashing:
                    response = view(request, *args, **kwargs)
                right = getattr(request, "secret_is_right", False)
                if right:
                    succeeded(limits)
                else:
                    _record_failure(name, door.failure)
        except SignInRefused as refusal:
            sign_in_failures.report(refusal.reason, where=where, who=who)
            if refusal.found_empty:
                _record_failure(name, refusal.reason)
            return _page(429, refusal.wait, limited=refusal.reason == "limited")
        except DatabaseError as error:
            # Neither users nor sessions can be read or written now.
            logger.warning("Page without database", extra={"reason": type(error).__name__})
            return _page(503, BUSY_SECONDS, limited=False)
        if not right:
            sign_in_failures.report(door.failure, where=where, who=who)
        elif door.hashes:
            _remember(response, who)
        return response

    return limited


def limits_of(where: str, who: str, *, known: bool, codes: bool = False) -> Limits:
    """The limits for somebody who calls themselves so, at this address, in a browser that is known or not."""
    limits = [(f"at:{where}", PER_ADDRESS)]
    if codes:
        return [*limits, (f"code:{who}", PER_NAME_CODES)] if who else limits
    limits.append((f"as:{where}:{who}", PER_NAME_AND_ADDRESS))
    return limits if known else [*limits, (f"name:{who}", PER_NAME)]


@contextmanager
def a_place(limits: Limits, *, known: bool) -> Iterator[None]:
    """One of the few places for sign-ins in this process.

    Raises SignInRefused at once where an allowance was found empty shortly before, or all places are taken.
    """
    now = time.monotonic()
    wait = max(_empty_until.get(caller, now) - now for caller, _ in limits)
    if wait > 0:
        raise SignInRefused("limited", wait)
    if not _places[known].acquire(blocking=False):
        raise SignInRefused("busy", BUSY_SECONDS)
    try:
        yield
    finally:
        _places[known].release()


def take(limits: Limits) -> None:
    """Takes one from each allowance. Raises SignInRefused where one is empty; the others then keep theirs."""
    for place, (caller, rate) in enumerate(limits):
        wait = allowances.take(caller, rate)
        if wait is not None:
            for other, its_rate in limits[:place]:
                allowances.give_back(other, its_rate)
            if len(_empty_until) >= MAX_REMEMBERED:
                _empty_until.clear()
            _empty_until[caller] = time.monotonic() + wait
            raise SignInRefused("limited", wait, found_empty=True)


def succeeded(limits: Limits) -> None:
    """Who knows the password has guessed nothing: their own allowance is full again, the others get theirs back."""
    for caller, rate in limits:
        if rate in (PER_NAME_AND_ADDRESS, PER_NAME_CODES):
            allowances.refill(caller)
        else:
            allowances.give_back(caller, rate)


def is_known(request: HttpRequest, who: str) -> bool:
    """Whether somebody has signed in by this name in this browser."""
    age = timedelta(days=KNOWN_DAYS)
    return bool(request.get_signed_cookie(KNOWN_COOKIE, default="", max_age=age) == who)


def _record_failure(name: str, why: str) -> None:
    """In the audit trail, where an account of this name exists: what else somebody types may be a password."""
    account = get_user_model().objects.filter(username=name).values_list("username", flat=True).first()
    if account is not None:
        with transaction.atomic():
            account_changed.send(
                None,
                actor="somebody",
                action="fail_sign_in",
                reason=WORDS[why],
                before={},
                after={"name": account},
            )


def _remember(response: HttpResponseBase, who: str) -> None:
    response.set_signed_cookie(
        KNOWN_COOKIE,
        who,
        max_age=timedelta(days=KNOWN_DAYS),
        path="/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _page(status: int, wait: int, *, limited: bool) -> HttpResponse:
    """Without the request: it would read session and user from the database."""
    context = {"limited": limited, "seconds": wait, "minutes": math.ceil(wait / 60)}
    page = HttpResponse(render_to_string("admin/access/sign_in_refused.html", context), status=status)
    page.headers["Retry-After"] = str(wait)
    return page
