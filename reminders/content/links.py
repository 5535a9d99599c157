"""The addresses in mails. That in a person's mail names one person's appointment, and is signed, so that nobody makes up
another: whoever holds it may see this work and answer for this person, so it is in their mail and nowhere else. Those in a
supervisor's mail lead to the Ops pages, which ask who they are.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.signing import BadSignature, Signer, b64_encode

from notifications.settings_cache import kept_while_settings_stay

PATH = "/a/"
SALT = "reminders.content.links"
_DIALLED = re.compile(r"\+?[0-9]{3,20}")
_NAMES = re.compile(r"([0-9]{1,18})-([0-9]{1,18})-([0-9]{1,9})")
_THIS_MACHINE = r"https?://(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?"
_PATHS = r"/a/[A-Za-z0-9._-]*[A-Za-z0-9]|/ops/act/reassign\?ids=[0-9]{1,18}|/ops/assignments(?:/[0-9]{1,18}|\?show=[a-z]+)?"


@dataclass(frozen=True, slots=True)
class Link:
    """Whose work it is, and the version of the plan of which the mail spoke."""

    assignment_id: int
    assignee_id: int
    version: int


def url_of(link: Link) -> str:
    """The whole address; '' where PUBLIC_URL does not say where this site is."""
    site, secret = _own()
    return f"{site}{PATH}{_token(link, secret)}" if site else ""


def ops_url(assignment_id: int) -> str:
    """The Ops page of one assignment; '' where PUBLIC_URL does not say where this site is."""
    return f"{settings.PUBLIC_URL}/ops/assignments/{assignment_id}" if settings.PUBLIC_URL else ""


def reassign_url(assignment_id: int) -> str:
    """The Ops page on which an assignment is given to somebody else; '' where PUBLIC_URL does not say where this site is."""
    return f"{settings.PUBLIC_URL}/ops/act/reassign?ids={assignment_id}" if settings.PUBLIC_URL else ""


def overdue_list_url() -> str:
    """The Ops page that lists all overdue work; '' where PUBLIC_URL does not say where this site is."""
    return f"{settings.PUBLIC_URL}/ops/assignments?show=overdue" if settings.PUBLIC_URL else ""


def board_url() -> str:
    """The Ops page that says who knows of their work; '' where PUBLIC_URL does not say where this site is."""
    return f"{settings.PUBLIC_URL}/ops/board?hours=48" if settings.PUBLIC_URL else ""


def tel_url(phone: str) -> str:
    """'tel:+4930123456' (RFC 3966); '' where it is no number that can be dialled."""
    digits = re.sub(r"[\s()./-]", "", phone)
    return f"tel:{digits}" if _DIALLED.fullmatch(digits) else ""


@kept_while_settings_stay(maxsize=4096)
def map_url(place: str) -> str:
    """Where MAP_URL shows this place; '' where there is none, or MAP_URL is not set."""
    words = place.split()
    return settings.MAP_URL.replace("{place}", quote(" ".join(words), safe="")) if words else ""


def linked(text: str) -> Iterator[tuple[str, str]]:
    """The text in pieces, each with the path that it is an address of, or ''.

    Addresses are those of this module, below PUBLIC_URL or on this machine, where earlier mails may name another port.
    """
    sites = "|".join(filter(None, (re.escape(settings.PUBLIC_URL), _THIS_MACHINE)))
    end = 0
    for found in re.finditer(rf"(?:{sites})({_PATHS})", text):
        if found.start() > end:
            yield text[end : found.start()], ""
        yield found[0], found[1]
        end = found.end()
    if end < len(text):
        yield text[end:], ""


def token_of(link: Link) -> str:
    """Letters, digits, '-', '_' and '.', the last one a letter or a digit, so that no mail program cuts it off."""
    return _token(link, settings.SECRET_KEY)


def _token(link: Link, secret: str) -> str:
    names = f"{link.assignment_id}-{link.assignee_id}-{link.version}"
    inner, outer = _keyed(secret)
    inner, outer = inner.copy(), outer.copy()
    inner.update(names.encode())
    outer.update(inner.digest())
    return f"{names}.{b64_encode(outer.digest()).decode()}"


def link_from(token: str) -> Link | None:
    """What a token of ours names; None for any other text."""
    try:
        found = _NAMES.fullmatch(_signer().unsign(token))
    except BadSignature:
        return None
    return Link(*map(int, found.groups())) if found else None


@lru_cache(maxsize=4)
def _keyed(secret: str) -> tuple[Any, Any]:
    """What `_signer` signs with, keyed once: the two hashes of an HMAC (RFC 2104), over its key and the two pads. Deriving
    the key anew for each mail takes longer than all else of a link, and the objects of `hmac` take twice as long as these.
    """
    digest = Signer(salt=SALT).algorithm
    key = hashlib.new(digest, f"{SALT}signer{secret}".encode()).digest()
    block = key.ljust(hashlib.new(digest).block_size, b"\0")
    inner, outer = (bytes(octet ^ pad for octet in block) for pad in (0x36, 0x5C))
    return hashlib.new(digest, inner), hashlib.new(digest, outer)


@kept_while_settings_stay()
def _own() -> tuple[str, str]:
    """This site and its key: reading the settings takes as long as signing."""
    return settings.PUBLIC_URL, settings.SECRET_KEY


def _signer() -> Signer:
    return Signer(salt=SALT, sep=".")
