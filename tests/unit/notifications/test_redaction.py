"""Text of other systems, as it is logged and stored: without addresses, short, and on one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.message import Delivery, Outcome
from notifications.redaction import without


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
