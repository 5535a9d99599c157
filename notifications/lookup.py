"""Asks for the addresses of a host, within a deadline."""

import ipaddress
import queue
import socket
import threading
from typing import Any

Info = tuple[Any, Any, int, str, Any]
"""What socket.getaddrinfo() gives: family, type, protocol, canonical name, address."""


def resolved(host: str, port: int, *, timeout: float) -> list[Info]:
    """The addresses of a host, or OSError; TimeoutError when time was over.

    Name servers know no deadline, so a thread asks them and may be left behind.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    answers: queue.SimpleQueue[list[Info] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolve a host", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, UnicodeError):
        raise OSError("the name is not a host name") from answer
    if isinstance(answer, Exception):
        raise answer
    return answer
