"""Runs the commands of the documents as they are written."""

import subprocess
from collections.abc import Mapping
from pathlib import Path


def run_script(script: str, *, folder: Path, environment: Mapping[str, str], seconds: float) -> str:
    """What the script prints; AssertionError with all of it where a command fails."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout
