"""Resolves host names within a deadline."""

import ipaddress
import queue
import socket
import threading
from typing import Any

AddressInfo = tuple[Any, Any, int, str, Any]
"""One result of socket.getaddrinfo(): family, type, protocol, canonical name, address."""


def resolve(host: str, port: int, *, timeout: float) -> list[AddressInfo]:
    """The addresses of a host, or OSError; TimeoutError when the time is over.

    socket.getaddrinfo() has no deadline, so a thread calls it and may be left running.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    results: queue.SimpleQueue[list[AddressInfo] | Exception] = queue.SimpleQueue()

    def call() -> None:
        try:
            results.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            results.put(error)

    threading.Thread(target=call, name="resolve a host", daemon=True).start()
    try:
        result = results.get(timeout=timeout)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(result, UnicodeError):
        raise OSError("the name is not a host name") from result
    if isinstance(result, Exception):
        raise result
    return result
