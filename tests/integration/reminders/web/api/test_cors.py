"""Pages of other sites: none may call the API unless it is named."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment
from tests.fakes.api_caller import ApiCaller

pytestmark = pytest.mark.django_db
OURS, OTHER = "https://planning.example.org", "https://other.example.org"


def preflight(client, origin, path="/api/assignments"):
    return client.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "authorization, if-match",
        },
    )


def test_it_is_off_by_default(client):
    api = ApiCaller("read")
    for answer in (preflight(client, OURS), api.get("/api/assignments", Origin=OURS)):
        assert not any(name.startswith("Access-Control-") for name in answer.headers)


def test_a_named_origin_may_call_with_a_token(client, settings):
    settings.CORS_ALLOWED_ORIGINS = [OURS]
    asked = preflight(client, OURS)
    assert (asked.status_code, asked["Access-Control-Allow-Origin"]) == (200, OURS)
    assert "PATCH" in asked["Access-Control-Allow-Methods"]
    assert {"authorization", "if-match"} <= set(asked["Access-Control-Allow-Headers"].split(", "))
    assert "Access-Control-Allow-Credentials" not in asked  # No cookies: a token says who is calling.
    answer = ApiCaller("read").get("/api/assignments", Origin=OURS)
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (200, OURS)
    assert "ETag" in answer["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    ("origin", "path"), [(OTHER, "/api/assignments"), (OURS, "/ops/"), (OURS, "/admin/")]
)
def test_nobody_else_and_nothing_else(client, settings, origin, path):
    settings.CORS_ALLOWED_ORIGINS = [OURS]
    assert "Access-Control-Allow-Origin" not in preflight(client, origin, path)


@pytest.mark.parametrize(
    "value", ["planning.example.org", "https://a/b", "http://a", "https://u:secret@a", "*"]
)
def test_a_bad_origin_is_refused_at_start(value):
    env = Environment({"CORS_ALLOWED_ORIGINS": f"{OURS},{value}"})
    assert env.origins("CORS_ALLOWED_ORIGINS", schemes=["https"]) == [OURS]
    with pytest.raises(ImproperlyConfigured, match="CORS_ALLOWED_ORIGINS") as refusal:
        env.refuse_if_wrong()
    assert "secret" not in str(refusal.value)
