"""Messages, outcomes and addresses: what may travel, and what must never be shown."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.addresses import envelope_address, mailbox
from notifications.message import Contact, Delivery, Message, Outcome
from notifications.redaction import without


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann.Bolton+work@Example.COM", "Ann.Bolton+work@example.com"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("ann@localhost", "ann@localhost"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("jörg@example.com", "jörg@example.com"),
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


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("mailbox full", "mailbox full"),
        ("<ann@example.com>: unknown", "<address>: unknown"),
        ("no ann@example.com, no bob@example.net here", "no <address>, no <address> here"),
        ('user "ann bolton"@example.com unknown', "user <address> unknown"),
        ("jörg@bücher.example unknown", "<address> unknown"),
        ("see https://example.com/?to=ann%40example.com", "see https:<address>"),
        ("two\r\nlines\x00 and \u2028more", "two lines  and  more"),
        ("x" * 600, "x" * 500),
    ],
)
def test_a_detail_shows_no_address_and_stays_short(detail: str, shown: str) -> None:
    assert Delivery(Outcome.REJECTED, "550", detail).detail == shown


@given(
    st.text(max_size=60),
    st.from_regex(r"[a-z0-9.+_-]{1,12}@[a-z0-9-]{1,9}\.[a-z]{2,5}", fullmatch=True),
    st.text(max_size=600),
)
def test_no_detail_ever_shows_an_address(before: str, address: str, after: str) -> None:
    assert address not in Delivery(Outcome.REJECTED, "550", f"{before} {address} {after}").detail


def test_a_recipient_that_is_no_mail_address_is_hidden_too() -> None:
    assert without("no route to <+4930123456>", "+4930123456") == "no route to <address>"
    assert without("ANN is unknown", "ann") == "<address> is unknown"
    assert without("nothing to hide", "") == "nothing to hide"


def test_the_values_cannot_be_changed() -> None:
    for value in (
        Contact(name="Ann"),
        Message("1@example.com", "ann@example.com", "Ann", "s", "t"),
        Delivery(Outcome.ACCEPTED, "250"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            value.__setattr__(dataclasses.fields(value)[0].name, "other")


def test_only_accepted_is_accepted() -> None:
    assert [outcome for outcome in Outcome if Delivery(outcome, "").accepted] == [Outcome.ACCEPTED]
