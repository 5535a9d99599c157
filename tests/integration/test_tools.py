"""What tests rely on: after a test that commits nothing is left, and orders beside a stack are as processes of their own."""

import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from accounts import roles
from tests import emptying
from tests.conftest import tell_apart
from tests.console import Console
from tests.factories import AssignmentFactory
from tests.logins import staff


@pytest.mark.django_db(transaction=True)
def test_after_a_test_that_commits_no_row_is_left_but_of_content_types_and_permissions():
    before = Permission.objects.count(), ContentType.objects.count()
    AssignmentFactory()
    staff("olga", roles.OPERATORS)
    emptying.empty()
    with connection.cursor() as cursor:
        filled = set()
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT EXISTS (SELECT FROM "{table}")')
            if cursor.fetchone()[0]:
                filled.add(table)
    assert filled == emptying.KEPT
    assert (Permission.objects.count(), ContentType.objects.count()) == before
    assert min(before) > 0


def test_two_tests_of_one_id_are_refused_since_one_of_them_would_not_run():
    with pytest.raises(pytest.UsageError, match="tests of one name"):
        tell_apart([SimpleNamespace(nodeid="tests/a.py::b") for _ in range(2)])
    tell_apart([SimpleNamespace(nodeid=f"tests/a.py::b[{n}]") for n in range(2)])


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    console = Console({**os.environ, "LOG_LEVEL": "ERROR"})
    yield console
    console.stop()


def test_an_order_reads_its_input_and_its_output_and_end_are_its_own(console):
    done = console.python("import sys; print(sys.stdin.read()); print('aside', file=sys.stderr)", "given")
    assert (done.returncode, done.stdout, done.stderr) == (0, "given\n", "aside\n")
    assert console.python("raise SystemExit(3)", "").returncode == 3
    failed = console.python("1 / 0", "")
    assert (failed.returncode, "ZeroDivisionError" in failed.stderr) == (1, True)
    assert console.python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "").returncode != 0


def test_an_order_finds_nothing_of_another_in_memory(console):
    assert console.python("import django; django.kept = True", "").returncode == 0
    assert console.python("import django; print(hasattr(django, 'kept'))", "").stdout == "False\n"


def test_an_order_is_a_command_too(console):
    done = console.manage(("check", "--verbosity", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    refused = console.manage(("no_such_command",))
    assert refused.returncode == 1
    assert "no_such_command" in refused.stderr
