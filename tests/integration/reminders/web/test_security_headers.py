"""What a page may load, and from where."""

import pytest

from reminders.web.security_headers import API_DOCS_POLICY, POLICY
from tests.logins import set_up_roles

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path",
    ["/admin/", "/admin/login/", "/admin/assignments/assignment/", "/ops/", "/api/assignments", "/nothing"],
)
def test_nothing_inline_and_nothing_foreign_on_any_page(admin_client, path):
    set_up_roles()
    assert admin_client.get(path)["Content-Security-Policy"] == POLICY


def test_the_api_docs_have_scripts_in_files_alone(client):
    page = client.get("/api/docs")
    assert page["Content-Security-Policy"] == API_DOCS_POLICY
    assert b"<script>" not in page.content
    script = client.get("/api/docs?script=")
    assert (script.status_code, b"SwaggerUIBundle" in script.content) == (200, True)


@pytest.mark.parametrize("where", ["https://example.org/", "//example.org", "javascript:alert(1)"])
def test_a_login_that_shall_lead_elsewhere_leads_to_the_overview(client, django_user_model, where):
    django_user_model.objects.create_user("olga", password="a-long-password", is_staff=True)
    answer = client.post("/admin/login/", {"username": "olga", "password": "a-long-password", "next": where})
    assert (answer.status_code, answer["Location"]) == (302, "/ops/")


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_the_description_of_the_api_is_written_once_and_may_be_kept(client, monkeypatch, form):
    first = client.get(f"/api/schema?format={form}")
    for writer in ("renderers.dump", "renderers.JSONRenderer.render"):
        monkeypatch.setattr(f"drf_spectacular.{writer}", None)
    again = client.get(f"/api/schema?format={form}")
    assert (first.status_code, again.content) == (200, first.content)
    assert again["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize(
    "path", ["/api/assignments", "/api/assignments/export", "/api/nothing", "/api/webhooks"]
)
def test_what_the_api_answers_is_kept_by_nobody(client, path):
    assert client.get(path)["Cache-Control"] == "private, no-store"
