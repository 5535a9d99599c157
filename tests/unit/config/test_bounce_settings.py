"""Which settings of what comes back of mail are accepted, and what is said of the others."""

import pytest

from config import addresses
from config.environment import Environment
from notifications import providers
from notifications.addresses import InvalidAddress
from notifications.channels.email.verp import LONGEST_LOCAL_PART, checked_address

SECRET = "user:0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "imaps://bounces:secret@mail.example.org",
            ("mail.example.org", 993, "bounces", "secret", "INBOX", True),
        ),
        (
            "imaps://bounces%40example.org:p%2Fw@mail.example.org:9930/To%20do",
            ("mail.example.org", 9930, "bounces@example.org", "p/w", "To do", True),
        ),
        ("imap://b:s@127.0.0.1:1143/INBOX", ("127.0.0.1", 1143, "b", "s", "INBOX", False)),
        ("imap://b:s@localhost", ("localhost", 143, "b", "s", "INBOX", False)),
        ("imap://b:s@[::1]:1143/", ("::1", 1143, "b", "s", "INBOX", False)),
    ],
)
def test_a_mailbox_is_read(text: str, expected: tuple[object, ...]) -> None:
    assert tuple(addresses.mailbox(text).values()) == expected


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("https://b:topsecret@mail.example.org", "an address like imaps://"),
        ("imaps://b:topsecret@", "an address like imaps://"),
        ("imaps://b:topsecret@a,b/INBOX", "an address like imaps://"),
        ("imaps://b:topsecret@a/INBOX?x=1", "an address like imaps://"),
        ("imap://b:topsecret@mail.example.org", "on this machine alone"),
        ("imaps://mail.example.org/INBOX", "a user and a password"),
        ("imaps://topsecret@mail.example.org/INBOX", "a user and a password"),
        ("imaps://b:topsecret%0D%0A@mail.example.org/INBOX", "a user and a password"),
        ("imaps://b:topsecret@mail.example.org/In%0Abox", "a folder of ASCII"),
        ("imaps://b:topsecret@mail.example.org/Zur%C3%BCck", "a folder of ASCII"),
    ],
)
def test_other_addresses_are_refused_without_being_shown(text: str, needed: str) -> None:
    env = Environment({"BOUNCE_MAILBOX_URL": text})
    assert env.address("BOUNCE_MAILBOX_URL", "", of=addresses.mailbox) == ""
    [problem] = env.problems
    assert problem.startswith("BOUNCE_MAILBOX_URL is (hidden): ")
    assert needed in problem
    assert problem.endswith("is needed")
    assert "topsecret" not in problem


def test_the_address_for_bounces_leaves_room_for_a_token() -> None:
    assert checked_address("Bounces@EXAMPLE.org") == "Bounces@example.org"
    assert checked_address(f"{'b' * LONGEST_LOCAL_PART}@example.org").startswith("bbb")
    refused = (
        f"{'b' * (LONGEST_LOCAL_PART + 1)}@example.org",
        "bounces+x@example.org",
        "bounces",
        "a@example.org, b@example.org",
        "Name <bounces@example.org>",
        "zurück@example.org",
        '"a b"@example.org',
    )
    for text in refused:
        with pytest.raises(InvalidAddress, match="with at most 27 characters before the @-sign"):
            checked_address(text)


@pytest.mark.parametrize(
    ("name", "secret", "key", "named"),
    [
        ("postmark", SECRET, "", []),
        ("mailgun", SECRET, "key", []),
        ("postmark", "", "", ["ANYMAIL_WEBHOOK_SECRET"]),
        ("postmark", "nocolon-0123456789abcdef", "", ["ANYMAIL_WEBHOOK_SECRET"]),
        ("postmark", "user:short", "", ["ANYMAIL_WEBHOOK_SECRET"]),
        ("mailgun", "", "", ["ANYMAIL_WEBHOOK_SECRET", "ANYMAIL_SIGNING_KEY"]),
        ("postmark", SECRET, "key", ["ANYMAIL_SIGNING_KEY"]),
    ],
)
def test_a_provider_needs_its_secrets_and_no_others(
    name: str, secret: str, key: str, named: list[str]
) -> None:
    problems = list(providers.problems(name, secret, key))
    assert [problem.split()[0] for problem in problems] == named
    assert all("needed" in problem for problem in problems)


def test_the_readers_of_all_providers_exist() -> None:
    from django.utils.module_loading import import_string

    for provider in providers.PROVIDERS.values():
        assert import_string(f"anymail.webhooks.{provider.view}").parse_events
