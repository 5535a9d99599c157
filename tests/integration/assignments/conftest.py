"""A caller of the API, over plain HTTP."""

import pytest

from tests.fakes.api_caller import ApiCaller


@pytest.fixture
def api(clock):
    return ApiCaller("read", "write")
