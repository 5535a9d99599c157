"""The OpenID provider `oidc-provider` (npm; certified by the OpenID Foundation) on loopback, in a process of Node.js."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.openid_provider import answers
from tests.stack import until

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class CertifiedProvider:
    """`issuer` is its address, `users` the file with what it says about people."""

    issuer: str
    users: Path

    def set_claims(self, subject: str, **claims: object) -> None:
        """What it says about this person from the next sign-in on; it knows nobody else."""
        self.users.write_text(json.dumps({subject: claims}))


def _install(folder: Path) -> None:
    """Its packages by the lock file, from the registry or what npm has kept of it; without scripts of theirs."""
    for name in ("package.json", "package-lock.json", ".npmrc", "server.mjs"):
        shutil.copy(HERE / name, folder / name)
    words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip("needs the npm package oidc-provider, which npm cannot install here")


@contextmanager
def running_certified_provider(folder: Path, *, client: dict[str, object]) -> Iterator[CertifiedProvider]:
    """Starts one for this client (in the words of OpenID Connect Dynamic Client Registration), and ends it."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm")
    _install(folder)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    provider = CertifiedProvider(f"http://localhost:{port}", folder / "users.json")
    provider.users.write_text("{}")
    settings = json.dumps({"port": port, "client": client, "users": str(provider.users)})
    words = ["node", "server.mjs", settings]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: answers(provider.issuer), within=60, what="the certified OpenID provider answers")
            yield provider
        finally:
            process.terminate()
