"""The mail server that mail is submitted to."""

import ssl
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings

from notifications.settings_cache import kept_while_settings_stay


@dataclass(frozen=True, slots=True)
class MailServer:
    """Address, credentials and encryption of a mail server."""

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    starttls: bool = False
    implicit_tls: bool = False
    keyfile: str | None = None
    certfile: str | None = None


@kept_while_settings_stay()
def server_of_settings() -> MailServer:
    """The server that Django's EMAIL_* settings name."""
    return MailServer(
        host=settings.EMAIL_HOST,
        port=settings.EMAIL_PORT,
        username=settings.EMAIL_HOST_USER,
        password=settings.EMAIL_HOST_PASSWORD,
        starttls=settings.EMAIL_USE_TLS,
        implicit_tls=settings.EMAIL_USE_SSL,
        keyfile=settings.EMAIL_SSL_KEYFILE,
        certfile=settings.EMAIL_SSL_CERTFILE,
    )


@lru_cache(maxsize=8)
def tls_context(server: MailServer) -> ssl.SSLContext | None:
    """None where the connection is not encrypted. Certificates are verified, also where a client certificate is given.

    Raises OSError where the client certificate cannot be read.
    """
    if not (server.starttls or server.implicit_tls):
        return None
    context = ssl.create_default_context()
    if server.certfile:
        context.load_cert_chain(server.certfile, server.keyfile)
    return context
