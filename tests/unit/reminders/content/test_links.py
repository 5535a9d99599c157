"""The address in a person's mail: what we have signed opens, nothing else does, and no log shows it."""

import json
import logging

import pytest
from django.core.signing import Signer
from hypothesis import given
from hypothesis import strategies as st

from config.logs import JsonFormatter, PlainFormatter
from config.telemetry import without_addresses
from reminders.content import links
from reminders.content.links import Link

LINK = Link(assignment_id=4711, assignee_id=23, version=2)
IDS = st.integers(min_value=1, max_value=10**18 - 1)


@given(st.builds(Link, IDS, IDS, st.integers(min_value=1, max_value=10**9 - 1)))
def test_what_was_signed_is_read_again(link):
    token = links.token_of(link)
    assert links.link_from(token) == link
    names = f"{link.assignment_id}-{link.assignee_id}-{link.version}"
    assert token == Signer(salt=links.SALT, sep=".").sign(names)
    assert token[-1].isalnum()
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_the_address_stands_below_the_public_url(settings):
    settings.PUBLIC_URL = "https://reminders.example.test"
    assert links.url_of(LINK) == f"https://reminders.example.test/a/{links.token_of(LINK)}"
    settings.PUBLIC_URL = ""
    assert links.url_of(LINK) == ""


@pytest.mark.parametrize(
    "made_up",
    [
        "",
        ".",
        "4711-23-2",
        links.token_of(LINK)[:-1],
        links.token_of(LINK) + "x",
        links.token_of(LINK).replace("4711", "4712"),
        links.token_of(LINK).replace("23", "24"),
        links.token_of(LINK).upper(),
        Signer(salt="another", sep=".").sign("4711-23-2"),
        Signer(salt=links.SALT, sep=".", key="another key").sign("4711-23-2"),
        Signer(salt=links.SALT, sep=".").sign("4711-23"),
        Signer(salt=links.SALT, sep=".").sign("4711-23-2-1"),
        Signer(salt=links.SALT, sep=".").sign("-1-23-2"),
        Signer(salt=links.SALT, sep=".").sign("٤-23-2"),
        "\x00",
        "ü" * 3000,
    ],
    ids=lambda _: "made up",
)
def test_anything_else_is_read_as_nothing(made_up):
    assert links.link_from(made_up) is None


@given(st.text())
def test_no_text_breaks_the_reader(text):
    assert links.link_from(text) is None


@pytest.mark.parametrize("formatter", [JsonFormatter(), PlainFormatter()])
def test_no_log_line_shows_a_link(formatter):
    token = links.token_of(LINK)
    line = logging.LogRecord("django.request", 30, "x", 1, "%s: %s", ("Not Found", f"/a/{token}"), None)
    line.detail = f"see <https://reminders.example.test/a/{token}>, quickly"
    told = formatter.format(line)
    assert "4711-23" not in told
    assert "Not Found: /a/(link)" in told
    assert "https://reminders.example.test/a/(link)>, quickly" in told
    if isinstance(formatter, JsonFormatter):
        assert json.loads(told)["detail"].endswith("/a/(link)>, quickly")


def test_no_report_of_an_error_shows_a_link():
    token = links.token_of(LINK)
    event = {
        "request": {"url": f"https://x.test/a/{token}", "headers": {"Referer": f"https://x.test/a/{token}"}}
    }
    assert without_addresses(event) == {
        "request": {"url": "https://x.test/a/(link)", "headers": {"Referer": "https://x.test/a/(link)"}}
    }


def test_addresses_in_a_text_lead_to_pages_of_this_site(settings):
    settings.PUBLIC_URL = "https://reminders.example.test"
    token = links.token_of(LINK)
    text = (
        f"Confirm:\n{links.url_of(LINK)}\n\nOps: {links.ops_url(7)}, all: {links.overdue_list_url()}."
        f" Somebody else: <{links.reassign_url(8)}>"
    )
    pieces = list(links.linked(text))
    assert "".join(piece for piece, _ in pieces) == text
    assert [path for _, path in pieces if path] == [
        f"/a/{token}",
        "/ops/assignments/7",
        "/ops/assignments?show=overdue",
        "/ops/act/reassign?ids=8",
    ]


@pytest.mark.parametrize("site", ["http://127.0.0.1:8000", "http://localhost:65535", "http://127.0.0.1"])
def test_a_mail_from_before_another_port_was_free_leads_here_too(settings, site):
    settings.PUBLIC_URL = "http://127.0.0.1:8001"
    assert list(links.linked(f"{site}/a/4711-23-2.sig_-nature")) == [
        (f"{site}/a/4711-23-2.sig_-nature", "/a/4711-23-2.sig_-nature")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing to follow",
        "https://evil.example/a/4711-23-2.abc",
        "https://reminders.example.test.evil.example/a/x",
        "https://reminders.example.test@evil.example/a/x",
        "https://reminders.example.test:444/a/x",
        "http://127.0.0.1.evil.example/a/x",
        "https://reminders.example.test/admin/logout/",
        "https://reminders.example.test/ops/act/pause",
        "javascript:alert(1)//http:/127.0.0.1/a/x",
        "/a/4711-23-2.abc",
    ],
)
def test_no_other_address_leads_anywhere(settings, text):
    settings.PUBLIC_URL = "https://reminders.example.test"
    assert [path for _, path in links.linked(text) if path] == []
