"""Limits for signing in with a password, which is slow on purpose and may be guessed (docs/decisions/0019).

A sign-in takes one from the allowance of its address, of this name at this address, and of the name anywhere, before the
password is hashed; one that succeeds gives them back. Each web process hashes one password at a time, and so keeps its
threads for everybody else. A flood is refused without the database. Names and addresses are stored and logged as keyed
hashes only.
"""

import logging
import math
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from accounts import allowances, sign_in_failures
from accounts.allowances import Rate
from accounts.client_address import client_address
from accounts.sign_in_failures import keyed_hash

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]

PER_ADDRESS = Rate(20, timedelta(seconds=15))
PER_NAME_AND_ADDRESS = Rate(5, timedelta(minutes=1))
PER_NAME = Rate(50, timedelta(minutes=1))
"""Not for browsers in which this name has signed in before, so that a stranger cannot lock anybody out."""

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

_places = {
    False: threading.BoundedSemaphore(PLACES),
    True: threading.BoundedSemaphore(PLACES_OF_THE_KNOWN),
}
_hashing = threading.Lock()
_empty_until: dict[str, float] = {}
"""Allowances that this process has found empty, by time.monotonic()."""


class SignInRefused(Exception):
    """The sign-in is not tried. `reason`: 'limited' or 'busy'; `wait`: seconds."""

    def __init__(self, reason: str, wait: float) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, math.ceil(wait)


def guarded(login: View) -> View:
    """The login view with limits. It answers 302 where somebody has signed in, as Django's LoginView does."""

    @wraps(login)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        name = unicodedata.normalize("NFKC", request.POST.get("username", "")).casefold().strip()
        if request.method != "POST" or not name or not request.POST.get("password"):
            return login(request, *args, **kwargs)
        where, who = keyed_hash("address", client_address(request)), keyed_hash("name", name)
        known = is_known(request, who)
        limits = limits_of(where, who, known=known)
        try:
            with a_place(limits, known=known):
                take(limits)
                with _hashing:
                    response = login(request, *args, **kwargs)
                if response.status_code == 302:
                    succeeded(limits)
        except SignInRefused as refusal:
            sign_in_failures.report(refusal.reason, where=where, who=who)
            return _page(429, refusal.wait, limited=refusal.reason == "limited")
        except DatabaseError as error:
            # Neither users nor sessions can be read or written now.
            logger.warning("Page without database", extra={"reason": type(error).__name__})
            return _page(503, BUSY_SECONDS, limited=False)
        if response.status_code == 302:
            _remember(response, who)
        else:
            sign_in_failures.report("credentials", where=where, who=who)
        return response

    return limited


def limits_of(where: str, who: str, *, known: bool) -> Limits:
    """The limits for somebody who calls themselves so, at this address, in a browser that is known or not."""
    limits = [(f"at:{where}", PER_ADDRESS), (f"as:{where}:{who}", PER_NAME_AND_ADDRESS)]
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
            raise SignInRefused("limited", wait)


def succeeded(limits: Limits) -> None:
    """Who knows the password has guessed nothing: their own allowance is full again, the others get theirs back."""
    for caller, rate in limits:
        if rate is PER_NAME_AND_ADDRESS:
            allowances.refill(caller)
        else:
            allowances.give_back(caller, rate)


def is_known(request: HttpRequest, who: str) -> bool:
    """Whether somebody has signed in by this name in this browser."""
    age = timedelta(days=KNOWN_DAYS)
    return bool(request.get_signed_cookie(KNOWN_COOKIE, default="", max_age=age) == who)


def _remember(response: HttpResponseBase, who: str) -> None:
    response.set_signed_cookie(
        KNOWN_COOKIE,
        who,
        max_age=timedelta(days=KNOWN_DAYS),
        path=settings.LOGIN_URL,
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
