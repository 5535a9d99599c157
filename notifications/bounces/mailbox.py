"""A mailbox that is read over IMAP (RFC 3501): what is new in it, a message at a time, within bounds."""

import imaplib
import re
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from notifications.bounces.bounded import MOST_OCTETS
from notifications.bounces.imap import Client, MailboxAddress

_FETCHED = re.compile(rb"\bBODY\[\]<0>", re.IGNORECASE)


class MailboxFailed(Exception):
    """The mailbox cannot be read. `code` says how far it got; the text holds nothing of the address or of an answer."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


REFUSALS = {
    "login": "the mailbox refuses user or password",
    "folder": "the mailbox has no such folder, or gives no right to it",
    "answer": "the mailbox answers something else than what was asked",
}
"""By the code of the failure; the other is "connect"."""


class Mailbox:
    """One visit: `with Mailbox(address, timeout=...) as mailbox`. Whatever goes wrong is raised as MailboxFailed.

    A message is new until it is marked as seen, by `finish` or by whatever else reads this mailbox. `timeout` bounds all of
    the visit.
    """

    def __init__(
        self,
        address: MailboxAddress,
        *,
        timeout: timedelta,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address, self._tls, self._clock = address, tls, clock
        self._deadline = clock() + timeout.total_seconds()
        self._client: Client | None = None

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def new(self, *, limit: int) -> list[bytes]:
        """The UIDs of the oldest messages that are new, at most `limit`."""
        found = self._ask("answer", lambda client: client.uid("SEARCH", "UNSEEN UNDELETED"))
        words = b" ".join(line for line in found if isinstance(line, bytes)).split()
        return sorted({word for word in words if word.isdigit() and len(word) <= 10}, key=int)[:limit]

    def content(self, uid: bytes) -> bytes | None:
        """The first MOST_OCTETS of a message, which stays new; None where it is gone."""
        asked = f"(BODY.PEEK[]<0.{MOST_OCTETS}>)"
        found = self._ask("answer", lambda client: client.uid("FETCH", uid.decode(), asked))
        for part in found:
            if isinstance(part, tuple) and _FETCHED.search(part[0]):
                return bytes(part[1])
        return None

    def finish(self, uid: bytes, *, delete: bool) -> None:
        """The message is new no longer. `delete`: it is removed, at once where the server can remove single ones (UIDPLUS,
        RFC 4315), else when somebody removes what is marked so.
        """
        flags = r"(\Seen \Deleted)" if delete else r"(\Seen)"
        self._ask("answer", lambda client: client.uid("STORE", uid.decode(), "+FLAGS.SILENT", flags))
        if delete and self._client is not None and "UIDPLUS" in self._client.capabilities:
            self._ask("answer", lambda client: client.uid("EXPUNGE", uid.decode()))

    def _open(self) -> None:
        address = self._address
        try:
            self._client = Client(address, deadline=self._deadline, clock=self._clock, tls=self._tls)
        except (OSError, imaplib.IMAP4.error, ValueError) as error:
            raise MailboxFailed(
                "connect", f"the mailbox cannot be reached ({type(error).__name__})"
            ) from None
        self._ask("login", self._login)
        # A server may offer more to whom it knows.
        found = self._ask("answer", lambda client: client.capability())
        self._client.capabilities = tuple(str(found[-1] or b"", "ascii", "replace").upper().split())
        self._ask("folder", lambda client: client.select(_quoted(address.folder)))

    def _login(self, client: Client) -> tuple[str, Sequence[Any]]:
        """AUTHENTICATE takes any characters (RFC 4616), LOGIN those of ASCII."""
        user, password = self._address.user, self._address.password
        if "AUTH=PLAIN" in client.capabilities:
            return client.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
        return client.login(_quoted(user), password)  # which quotes the password itself

    def _ask(self, failure: str, ask: Callable[[Client], tuple[str, Sequence[Any]]]) -> Sequence[Any]:
        """The data of an answer; what is not OK is a failure, of this code if the server refuses."""
        assert self._client is not None
        try:
            status, found = ask(self._client)
        except (OSError, imaplib.IMAP4.abort) as error:
            raise MailboxFailed("answer", f"the mailbox did not answer ({type(error).__name__})") from None
        except (imaplib.IMAP4.error, ValueError):
            raise MailboxFailed(failure, REFUSALS[failure]) from None
        if status != "OK":
            raise MailboxFailed(failure, REFUSALS[failure])
        return found

    def _close(self) -> None:
        """Ends the visit. Whether the server answers does not matter."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.logout()
        except (OSError, imaplib.IMAP4.error):
            client.shutdown()


def _quoted(text: str) -> str:
    """A quoted string (RFC 3501 section 4.3)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
