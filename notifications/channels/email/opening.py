"""Opens a connection to a mail server: greeting, encryption, features and credentials, each in a phase of its own."""

import binascii
import smtplib
from collections.abc import Callable

from notifications.channels.email.connection import ConnectionBroken, SmtpConnection
from notifications.channels.email.responses import SmtpPhase
from notifications.channels.email.server import MailServer


def open_connection(
    connection: SmtpConnection, server: MailServer, enter: Callable[[SmtpPhase], None]
) -> None:
    """Connects, and makes the connection ready for mail. `enter` hears of each phase before it begins.

    Raises an SMTPException that belongs to the phase entered last.
    """
    connection.connect_to(server.host, server.port)
    if server.implicit_tls:
        enter(SmtpPhase.TLS)
        connection.start_tls()
        enter(SmtpPhase.CONNECT)
    code, text = connection.getreply()
    if code != 220:
        raise smtplib.SMTPConnectError(code, text)
    enter(SmtpPhase.EHLO)
    connection.ehlo_or_helo_if_needed()
    if server.starttls:
        enter(SmtpPhase.TLS)
        connection.upgrade_to_tls()
        enter(SmtpPhase.EHLO)
        connection.ehlo_or_helo_if_needed()
    if server.username and server.password:
        enter(SmtpPhase.AUTH)
        try:
            connection.login(server.username, server.password)
        except binascii.Error as error:
            raise ConnectionBroken("the server's challenge is not base64") from error
        except ValueError as error:
            raise smtplib.SMTPException("user name or password is not ASCII") from error
