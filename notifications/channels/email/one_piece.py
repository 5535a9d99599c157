"""A mail in one piece: MAIL, RCPT and the content behind BDAT in one write (RFC 3030, with PIPELINING).

It takes one exchange instead of two, and so half of the time with a server that is far away. Once it is written, only the
replies say whether the mail was accepted: see docs/decisions/0065-mails-in-one-piece.md for when it is done.
"""

from typing import NamedTuple

from notifications.channels.email.connection import ConnectionBroken, ReplyCutShort, SmtpConnection
from notifications.channels.email.responses import SERVICE_CODES, SmtpPhase

MAX_PAUSE = 1.0
"""Seconds after the reply to the mail before: a connection that is idle for longer may be closed by now, and then nobody
would know about a mail that is already on its way."""
MAX_OCTETS = 65_536
"""What is larger is not sent before the server has said that it takes it."""


class RefusedEnvelope(NamedTuple):
    """The first refusal of a mail that is sent already, and whether its connection is of further use."""

    phase: SmtpPhase
    code: int
    text: bytes
    goes_on: bool


def in_one_piece(envelope: bytes, content: bytes) -> bytes:
    """MAIL and RCPT, and the content behind BDAT, as it is: its length says where it ends (RFC 3030 section 2)."""
    end = b"" if content.endswith(b"\r\n") else b"\r\n"
    return b"%sBDAT %d LAST\r\n%s%s" % (envelope, len(content) + len(end), content, end)


def is_understood(connection: SmtpConnection) -> bool:
    """Whether the server says that it takes mails so."""
    return "chunking" in connection.esmtp_features and "pipelining" in connection.esmtp_features


def refused_envelope(connection: SmtpConnection) -> RefusedEnvelope | None:
    """Reads the replies to MAIL and RCPT of a mail that is sent already; None: the next reply decides about it.

    After a refusal nobody gets the mail, and the replies to what follows are read only to be out of the way. Raises
    ConnectionBroken where it is not known what becomes of the mail.
    """
    if connection.skip_two_acceptances():
        return None
    for phase in (SmtpPhase.MAIL, SmtpPhase.RCPT):
        goes_on = True
        try:
            code, text = connection.getreply()
        except ReplyCutShort as error:
            if error.code < 400:
                raise ConnectionBroken(str(error)) from error
            code, text, goes_on = error.code, error.text, False
        if code // 100 == 2:
            continue
        if code < 400:
            raise ConnectionBroken("the server's reply is not SMTP")
        goes_on = goes_on and code not in SERVICE_CODES and _skip_replies(connection, after=phase)
        return RefusedEnvelope(phase, code, text, goes_on)
    return None


def _skip_replies(connection: SmtpConnection, *, after: SmtpPhase) -> bool:
    """Reads the replies to what followed a refused command. False: the connection broke."""
    try:
        if after is SmtpPhase.MAIL:
            connection.getreply()
        code, _ = connection.getreply()
    except ConnectionBroken:
        return False
    if after is SmtpPhase.MAIL and code // 100 == 2:
        raise ConnectionBroken("the server has accepted the mail of a sender that it refused")
    return True
