"""When a failover keeps what was acknowledged."""

import pytest

from reminders.delivery.standby import Replication


@pytest.mark.parametrize(
    ("names", "level", "connected", "problem"),
    [
        ("ANY 1 (a, b)", "on", 2, ""),
        ("a", "remote_apply", 1, ""),
        ("", "on", 1, "synchronous_standby_names is empty"),
        ("a", "local", 1, "synchronous_commit is local"),
        ("a", "off", 1, "synchronous_commit is off"),
        ("a", "on", 0, "no standby is connected: every commit waits until one is"),
    ],
)
def test_a_commit_must_wait_for_a_standby_that_is_there(names, level, connected, problem):
    found = Replication(names, level, connected).problem
    assert found.startswith(problem)
    assert bool(found) is bool(problem)
