"""A TCP proxy that breaks on order: it stands before PostgreSQL, Redis and the mail sink.

proxy.refuse()      new connections are refused, the present ones are reset
proxy.black_hole()  nothing gets through and nobody is told; what waits goes on after `heal`
proxy.half_open()   the present connections are dead for good, and their clients are not told; new ones work
proxy.mute()        what clients say gets through, the answers do not
proxy.reset()       the present connections end with a TCP reset; new ones work
proxy.slow(0.2)     each packet takes that many seconds longer
proxy.heal()
"""

import contextlib
import socket
import struct
import threading
import time
from typing import Literal

HOST = "127.0.0.1"
CHUNK = 65_536
AT_ONCE = struct.pack("ii", 1, 0)


class Pair:
    """One connection: the client's side and the server's."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.dead = False  # no octet passes any more, and neither side hears of it

    def end(self, *, reset: bool = False) -> None:
        for side in (self.client, self.server):
            with contextlib.suppress(OSError):
                if reset:
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                side.shutdown(socket.SHUT_RDWR)
            side.close()


class Proxy:
    """Listens on a port of its own until `stop`, at an address of this machine."""

    def __init__(self, port: int, *, host: str = HOST) -> None:
        self.target, self.host = port, host
        self.changed = threading.Condition()
        self.holding: Literal["", "both", "answers"] = ""
        self.delay = 0.0
        self.pairs: set[Pair] = set()
        self.stopping = False
        self._listen(0)
        self.port = int(self.listener.getsockname()[1])

    # --- orders ----------------------------------------------------------------------------------------

    def heal(self) -> None:
        with self.changed:
            self.holding, self.delay = "", 0.0
            self.changed.notify_all()
        if self.listener.fileno() < 0:
            self._listen(self.port)

    def black_hole(self) -> None:
        self._hold("both")

    def mute(self) -> None:
        self._hold("answers")

    def slow(self, seconds: float) -> None:
        with self.changed:
            self.delay = seconds

    def half_open(self) -> None:
        with self.changed:
            for pair in self.pairs:
                pair.dead = True

    def reset(self) -> None:
        with self.changed:
            pairs = list(self.pairs)
        for pair in pairs:
            pair.end(reset=True)

    def refuse(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.reset()

    def stop(self) -> None:
        self.stopping = True
        self.heal()
        self.refuse()

    # --- what goes on ----------------------------------------------------------------------------------

    def _hold(self, what: Literal["both", "answers"]) -> None:
        with self.changed:
            self.holding = what

    def _listen(self, port: int) -> None:
        self.listener = socket.create_server((self.host, port), backlog=512)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection((HOST, self.target), timeout=5)
        except OSError:
            with contextlib.suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            client.close()
            return
        server.settimeout(None)
        pair = Pair(client, server)
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.changed:
            self.pairs.add(pair)
        threading.Thread(target=self._pump, args=(pair, server, client, True), daemon=True).start()
        self._pump(pair, client, server, False)

    def _pump(self, pair: Pair, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        """Carries octets one way until either side ends."""
        try:
            while octets := source.recv(CHUNK):
                if self.delay:
                    time.sleep(self.delay)
                with self.changed:
                    self.changed.wait_for(lambda: self._passes(answers))
                if pair.dead:
                    continue  # swallowed
                sink.sendall(octets)
        except OSError:
            pass
        if pair.dead and source is pair.server:
            return  # The server has given up; its client must not hear of it.
        with self.changed:
            self.pairs.discard(pair)
        pair.end()

    def _passes(self, answers: bool) -> bool:
        return self.stopping or not (self.holding == "both" or (self.holding == "answers" and answers))
