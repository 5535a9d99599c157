"""A rolling deploy: processes of an earlier release and of this one share one database and one queue."""

import io
import subprocess
import tarfile
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.chaos.system import EVERYBODY, now
from tests.stack import ROOT, until

pytestmark = pytest.mark.chaos
SCHEMAS_BACK = 4
MIGRATIONS = ("assignments/migrations/*.py", "reminders/migrations/*.py", "accounts/migrations/*.py")


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The code as it was before the last changes of the schema: what still runs while this release comes in."""

    def git(*words: str) -> bytes:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip("needs git, and the history of the project")
        return done.stdout

    changes = git("log", "--diff-filter=A", f"-{SCHEMAS_BACK}", "--format=%H", "--", *MIGRATIONS).split()
    if len(changes) < SCHEMAS_BACK:
        pytest.skip("needs git, and the history of the project")
    archive = git("archive", f"{changes[-1].decode()}^")
    folder = tmp_path / "earlier"
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def test_an_earlier_release_and_this_one_work_side_by_side(system, earlier, report):
    """Its scanner and worker know nothing of the newer columns; each reminder goes out once all the same."""
    system.kill("scanner", "worker2")
    with patch("tests.stack.ROOT", earlier):
        children = [system.stack.worker(), system.stack.scanner()]
    since = now()
    try:
        planted = 0
        for turn in range(6):
            planted += len(system.plant(100, name=f"old-and-new-{turn}"))
            if turn == 2:
                system.kill("worker")  # now the earlier one has all the work
                until(
                    lambda total=planted: system.sent() == total, within=60, what="the earlier worker sends"
                )
                system.crew("worker", "scanner")
        evidence = system.holds()
        assert system.sent() == planted
        assert max(evidence.accepted.values()) <= 2
        for child in children:
            assert child.process.poll() is None, child.log.read_text(errors="replace")[-2000:]
            assert not [
                line for line in child.log.read_text(errors="replace").splitlines() if '"CRITICAL"' in line
            ]
        assert children[0].events("Reminder sent")
        report("an earlier release beside this one", system, since)
    finally:
        for child in children:
            child.stop()
        system.crew(*EVERYBODY)
