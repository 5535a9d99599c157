"""What the ledger asks of the database."""

from collections.abc import Callable
from types import ModuleType

import pytest

from reminders.ledger.sql import run


@pytest.fixture
def asked_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], list[str]]:
    """The statements that a module of the ledger runs from now on, in their order."""

    def noted_of(module: ModuleType) -> list[str]:
        statements: list[str] = []

        def noted(cursor, statement, params=None):
            statements.append(statement)
            return run(cursor, statement, params)

        monkeypatch.setattr(module, "run", noted)
        return statements

    return noted_of
