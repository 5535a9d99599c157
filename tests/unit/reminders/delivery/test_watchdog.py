"""A send that hangs: interrupted in time, each time, and ended with its process where nothing else helps."""

import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from datetime import timedelta

import pytest

from reminders.delivery import watchdog

SOON, LATER = timedelta(milliseconds=50), timedelta(seconds=60)

SWALLOWS = """
import time
from datetime import timedelta
from reminders.delivery import watchdog
with watchdog.watching(hard=timedelta(milliseconds=150)) as watch:
    with watch(timedelta(milliseconds=50)):
        while True:
            try:
                time.sleep(30)
            except BaseException:
                print("swallowed", flush=True)
"""


def hang():
    until = time.monotonic() + 30
    while time.monotonic() < until:
        time.sleep(0.005)
    return "came back by itself"


def test_each_send_of_a_slice_that_hangs_is_interrupted():
    with watchdog.watching(hard=LATER) as watch:
        for _ in range(3):
            with pytest.raises(watchdog.SendInterrupted), watch(SOON):
                hang()


def go_on(span):
    """Goes on for so long; whatever rings meanwhile is not held up."""
    until = time.monotonic() + span.total_seconds()
    while time.monotonic() < until:
        pass


def test_a_send_that_comes_back_in_time_is_left_alone_and_nothing_rings_afterwards():
    before = signal.getsignal(signal.SIGALRM)
    with watchdog.watching(hard=LATER) as watch:
        with watch(SOON):
            pass
        go_on(2 * SOON)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_each_send_has_its_own_time_whatever_those_before_it_had():
    with watchdog.watching(hard=LATER) as watch:
        with watch(SOON):
            pass
        with watch(LATER):
            go_on(2 * SOON)
        with watch(LATER):
            pass
        with pytest.raises(watchdog.SendInterrupted), watch(SOON):
            hang()


def test_a_send_that_outlasts_the_one_before_is_interrupted_at_its_own_end():
    with watchdog.watching(hard=LATER) as watch:
        with watch(SOON):
            pass
        began = time.monotonic()
        with pytest.raises(watchdog.SendInterrupted), watch(4 * SOON):
            hang()
        assert time.monotonic() - began >= (4 * SOON).total_seconds()


def test_one_that_swallows_the_interruption_ends_with_its_process():
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGALRM
    assert done.stdout == "swallowed\n"


def test_outside_the_main_thread_nothing_is_watched():
    seen = []

    def elsewhere():
        with watchdog.watching(hard=LATER) as watch:
            seen.append(watch)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert isinstance(seen[0](SOON), nullcontext)
