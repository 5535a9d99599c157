"""What is one address that can be written to, and how it is written in an envelope."""

import re
from unittest.mock import patch

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from notifications.addresses import (
    InvalidAddress,
    envelope_address,
    mailbox,
    parse,
    validate_email_address,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann.Bolton+work@Example.COM", "Ann.Bolton+work@example.com"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("ann@localhost", "ann@localhost"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("jörg@example.com", "jörg@example.com"),
        ("josé@example.com", "jos\u00e9@example.com"),
        ("jose\u0301@example.com", "jos\u00e9@example.com"),
        # IDNA 2008, not 2003: these are other domains than fass.de and one with another sigma.
        ("anna@faß.de", "anna@xn--fa-hia.de"),
        ("klara@κλαρα-σωλις.ευ", "klara@xn----ylba7abgd9bnh0e.xn--qxa6a"),
        ("anna@xn--fa-hia.de", "anna@xn--fa-hia.de"),
        ("ann@intranet.local", "ann@intranet.local"),
        ("Postmaster@Example.com", "postmaster@example.com"),
        ('"ann bolton"@example.com', '"ann bolton"@example.com'),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_an_address_as_it_stands_in_an_envelope(text: str, address: str) -> None:
    assert envelope_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@example",
        "ann@example.com.",
        "ann@-example.com",
        "ann@exa_mple.com",
        "ann@1.2.3.4",
        "ann@[192.0.2.1]",
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        "ann@exam\u200dple.com",
        "ann@क्\u200dष.com",
        "ann@xn--a.com",
        "ann@ab--cd.com",
        "ann@example.invalid",
        "ann@☃.net",
        "ann..b@example.com",
        ".ann@example.com",
        "ann b@example.com",
        " ann@example.com",
        "ann@example.com ",
        "ann@example.com\r\n",
        "ann\r\nRCPT TO:<eve@example.com>@example.com",
        "ann@example.com\nBcc: eve@example.com",
        "ann@example.com,eve@example.com",
        "ann@example.com;eve@example.com",
        "ann@example.com eve@example.com",
        "ann@example.com@example.net",
        "<ann@example.com>",
        "Ann <ann@example.com>",
        "ann\u202e@example.com",
        "ann\x00@example.com",
        "ann@\uff20.example",
        "ann@exa mple.com",
        "a" * 65 + "@example.com",
        "ö" * 33 + "@example.com",
        "ann@" + "a" * 64 + ".com",
        "ann@" + "ü" * 80 + ".com",
        "ann@" + "abcdefgh." * 28 + "com",
    ],
)
def test_what_is_not_exactly_one_valid_address(text: str) -> None:
    assert envelope_address(text) is None


@given(st.text() | st.from_regex(r"[a-z\"<>,; \r\n]{1,9}@[a-zü.\-\r\n]{1,9}\.com", fullmatch=True))
def test_an_accepted_address_is_safe_in_a_command_and_stays_as_it_is(text: str) -> None:
    address = envelope_address(text)
    if address is not None:
        local_part, _, domain = address.rpartition("@")
        assert not set("\r\n\0") & set(address)
        assert domain.isascii()
        assert local_part.startswith('"') or not set('<>,;" ') & set(address)
        assert envelope_address(address) == address


@pytest.mark.parametrize("text", ["x" * 1_000_000 + "@example.com", "a@" + "xn--" * 300_000, "@" * 1_000_000])
def test_hostile_text_is_refused_for_its_length_alone(text: str) -> None:
    with pytest.raises(InvalidAddress, match=r"^It is too long\.$"):
        parse(text)


@given(
    st.from_regex(r"[a-z0-9_+.-]{1,70}@([a-z0-9-]{1,66}\.){1,3}[a-z]{1,8}", fullmatch=True)
    | st.sampled_from(
        ["a@b.arpa", "a@x.invalid", "a@b.onion", "a@b.c", "a@b.co", "a@b-.co", "a-@b.co", "_@b.co"]
    )
)
def test_the_short_way_for_plain_addresses_decides_as_the_library_does(text: str) -> None:
    with patch("notifications.addresses._PLAIN", re.compile(r"(?!)")):
        expected = envelope_address(text)
    assert envelope_address(text) == expected


def test_a_refusal_on_save_names_the_reason() -> None:
    validate_email_address("josé@example.com")
    with pytest.raises(ValidationError) as caught:
        validate_email_address("a@[127.0.0.1]")
    assert caught.value.messages == [
        "That is not an e-mail address: A bracketed IP address after the @-sign is not allowed here."
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("reminders@example.com", ("", "reminders@example.com")),
        ("Reminders <reminders@example.com>", ("Reminders", "reminders@example.com")),
        ('"Bolton, Ann" <ann@example.com>', ("Bolton, Ann", "ann@example.com")),
        ("Jörg <j@bücher.example>", ("Jörg", "j@xn--bcher-kva.example")),
        ("a@example.com, b@example.com", None),
        ("Reminders", None),
        ("Reminders <reminders@example.com>\r\nBcc: eve@example.com", None),
        ("", None),
    ],
)
def test_a_sender_is_one_name_and_one_address(text: str, found: tuple[str, str] | None) -> None:
    assert mailbox(text) == found
