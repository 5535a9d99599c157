"""What a script runs in place of `python3 manage.py`: asks the process of the tests to do it (`tests.e2e.shell`).

It is started by its path and imports nothing of the project, which is what makes it cheap.
"""

import json
import os
import socket
import sys


def ask(door: str, words: list[str]) -> int:
    """The exit code of the command, which has written to this process's output and errors."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(door)
        order = json.dumps({"words": words, "environment": dict(os.environ)}).encode() + b"\n"
        socket.send_fds(line, [order[:1]], [1, 2])
        line.sendall(order[1:])
        said = line.recv(16)
    return int(said) if said else 1


if __name__ == "__main__":
    sys.exit(ask(sys.argv[1], sys.argv[2:]))
