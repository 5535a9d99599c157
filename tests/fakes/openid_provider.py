"""An OpenID provider on loopback: the package `oidc-provider-mock`, in a process of its own."""

import importlib.util
import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.stack import until


@dataclass(frozen=True, slots=True)
class RunningProvider:
    """`issuer` is its address."""

    issuer: str

    def set_claims(self, subject: str, **claims: object) -> None:
        """What it says about this person from the next sign-in on."""
        request = urllib.request.Request(
            f"{self.issuer}/users/{subject}",
            json.dumps(claims).encode(),
            {"Content-Type": "application/json"},
            method="PUT",
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 204


def answers(issuer: str) -> bool:
    """Whether a provider describes itself there."""
    try:
        with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def running_provider() -> Iterator[RunningProvider]:
    """Starts one, and ends it."""
    if importlib.util.find_spec("oidc_provider_mock") is None:
        pytest.skip("needs oidc-provider-mock")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            provider = RunningProvider(f"http://localhost:{port}")
            until(lambda: answers(provider.issuer), within=60, what="the OpenID provider answers")
            yield provider
        finally:
            process.terminate()
