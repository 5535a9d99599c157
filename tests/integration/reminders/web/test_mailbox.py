"""The mailbox page: only where the local mail server is in use, only for operators, and nothing of a mail runs."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from accounts import limits, roles
from assignments import teams
from config.devstack.mail_sink import Folder
from reminders.content import links
from reminders.content.links import Link
from reminders.web.security_headers import POLICY
from tests.logins import set_up_roles

pytestmark = pytest.mark.django_db

PAYLOAD = "</pre><script>document.title='broken'</script><img src=x onerror=alert(1)>\"'&{{7*7}}"
HOSTILE = (
    f"To: {PAYLOAD}\nFrom: {PAYLOAD}\nSubject: {PAYLOAD}\n"
    "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n"
    f"--b\nContent-Type: text/plain\n\n{PAYLOAD} javascript:alert(1) https://evil.example/a/x\n"
    f"--b\nContent-Type: text/html\n\n<base href=//evil.example><script>alert(1)</script>{PAYLOAD}\n--b--\n"
).encode()


@pytest.fixture
def folder(settings, tmp_path):
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    settings.MAIL_SINK_DIR = tmp_path / "mail"
    return Folder(settings.MAIL_SINK_DIR)


def store(folder, content):
    return folder.store(content, sender="ops@example.test", recipients=["ana@example.test"]).stem


def login(client, *groups, staff=True):
    set_up_roles()
    user = get_user_model().objects.create_user("somebody", is_staff=staff)
    user.groups.set(Group.objects.filter(name__in=groups))
    client.force_login(user)
    return user


def addresses(name):
    return [f"/ops/mailbox{rest}" for rest in ("", f"/{name}", f"/{name}/html")]


def shown(response):
    return re.sub(r"\s+", " ", response.content.decode())


def test_an_operator_reads_the_mails_and_follows_their_links(client, folder):
    link = links.url_of(Link(4711, 23, 1))
    first = store(folder, b"Subject: First\nTo: Ana <ana@example.test>\n\nHello")
    second = store(folder, f"Subject: Second\nTo: ben@example.test\n\nConfirm:\n{link}\n".encode())
    login(client, roles.OPERATORS)
    listed = client.get("/ops/mailbox")
    assert [one.name for one in listed.context["headings"]] == [second, first]
    page = shown(listed)
    assert "Ana &lt;ana@example.test&gt;" in page
    assert f'<a href="/ops/mailbox/{second}"><bdi>Second</bdi></a>' in page
    mail = shown(client.get(f"/ops/mailbox/{second}"))
    path = link.removeprefix("http://127.0.0.1:8000")
    assert f'<a href="{path}">{link}</a>' in mail
    assert "<iframe" not in mail
    assert client.get(f"/ops/mailbox/{second}/html").status_code == 404


def test_it_is_in_the_navigation_of_operators_where_it_exists(client, folder, settings):
    user = login(client, roles.OPERATORS)
    entry = '<a href="/ops/mailbox">Mailbox</a>'
    assert entry in shown(client.get("/ops/"))
    assert '<a href="/ops/mailbox" aria-current="page">' in shown(client.get("/ops/mailbox"))
    settings.MAIL_SINK_DIR = None
    assert "mailbox" not in shown(client.get("/ops/"))
    settings.MAIL_SINK_DIR = folder._directory
    user.groups.set(Group.objects.filter(name=roles.VIEWERS))
    assert "mailbox" not in shown(client.get("/ops/"))


def test_with_any_other_mail_server_there_is_no_such_page(client, folder, settings):
    name = store(folder, b"Subject: First\n\nHello")
    login(client, roles.OPERATORS)
    settings.MAIL_SINK_DIR = None
    for address in addresses(name):
        refused = client.get(address)
        assert refused.status_code == 404
        assert "First" not in shown(refused)


def test_nobody_but_operators_reads_a_mail(client, folder):
    """Viewers neither: whoever holds a link may act for somebody."""
    name = store(folder, b"Subject: Zanzibar\n\nZanzibar")
    for address in addresses(name):
        assert client.get(address).status_code == 302
    user = login(client, roles.VIEWERS)
    for address in addresses(name):
        refused = client.get(address)
        assert (refused.status_code, "Zanzibar" in shown(refused)) == (403, False)
    user.groups.set(Group.objects.filter(name=roles.OPERATORS))
    limits.limit_user(user, [teams.add_team(name="North").pk], by="root")
    for address in addresses(name):
        refused = client.get(address)
        assert (refused.status_code, "Zanzibar" in shown(refused)) == (404, False)


def test_nothing_of_a_hostile_mail_becomes_markup_of_the_page(client, folder):
    name = store(folder, HOSTILE)
    login(client, roles.OPERATORS)
    for address in addresses(name)[:2]:
        page = client.get(address)
        assert page["Content-Security-Policy"] == POLICY
        text = page.content.decode()
        assert "<script>document" not in text
        assert "<img" not in text.split("<main")[1]
        assert "&lt;script&gt;document" in text
        assert "&amp;{{7*7}}" in text
        assert not re.search(r'href="(?:javascript|https?:|//)', text.split("<main")[1])


def test_the_html_part_is_held_to_a_policy_of_its_own(client, folder):
    name = store(folder, HOSTILE)
    login(client, roles.OPERATORS)
    page = client.get(f"/ops/mailbox/{name}").content.decode()
    frame = re.search(r"<iframe[^>]*>", page)
    assert frame is not None
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame[0]
    part = client.get(f"/ops/mailbox/{name}/html")
    policy = dict(entry.strip().partition(" ")[::2] for entry in part["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
        "sandbox": "allow-popups allow-popups-to-escape-sandbox",
    }
    assert part["X-Frame-Options"] == "SAMEORIGIN"
    assert part["Content-Type"] == "text/html; charset=utf-8"
    assert part["X-Content-Type-Options"] == "nosniff"
    assert part["Referrer-Policy"] == "same-origin"
    assert "no-store" in part["Cache-Control"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff\xfe", b"Subject: \xff\n\n\xff", b"Content-Type: multipart/mixed\n\nx", b"To: " + b"(" * 9_000],
)  # fmt: skip
def test_a_broken_mail_breaks_no_page(client, folder, content):
    (folder._directory / "20260615T120000.000000Z-1.eml").write_bytes(content)
    login(client, roles.OPERATORS)
    assert client.get("/ops/mailbox").status_code == 200
    assert client.get("/ops/mailbox/20260615T120000.000000Z-1").status_code == 200


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e%2fops-password", "20260615T120000.000000Z-1"])
def test_what_is_no_mail_is_not_found(client, folder, name):
    (folder._directory.parent / "ops-password").write_text("geheim")
    login(client, roles.OPERATORS)
    for rest in ("", "/html"):
        assert client.get(f"/ops/mailbox/{name}{rest}").status_code == 404


def test_without_a_mail_it_says_so(client, folder):
    login(client, roles.OPERATORS)
    assert "No mail has arrived yet." in shown(client.get("/ops/mailbox"))
