"""What the tests of statements share, wherever they are."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from accounts.statements import first_row


@pytest.fixture
def first_rows(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], list[str]]:
    """The statements of which a module reads the first row from now on, in their order."""

    def noted_of(module: ModuleType) -> list[str]:
        statements: list[str] = []

        def noted(statement: str, params: Any) -> Any:
            statements.append(statement)
            return first_row(statement, params)

        monkeypatch.setattr(module, "first_row", noted)
        return statements

    return noted_of
