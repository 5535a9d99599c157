"""A caller of the API, over plain HTTP."""

import pytest

from tests.fakes.api_caller import ApiCaller


@pytest.fixture
def api(clock, settings, tmp_path):
    settings.SECURE_SSL_REDIRECT = False
    settings.STATIC_ROOT = tmp_path
    return ApiCaller("read", "write")
