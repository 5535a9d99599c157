"""Who posts here knows the account's token. The first example is that of Twilio's documentation."""

import pytest

from notifications.channels.sms.signature import is_genuine, signature

TOKEN = "12345"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
CALL = {
    "CallSid": ["CA1234567890ABCDE"],
    "Caller": ["+14158675309"],
    "Digits": ["1234"],
    "From": ["+14158675309"],
    "To": ["+18005551212"],
}
SIGNED = "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_the_documented_example() -> None:
    assert signature(TOKEN, URL, CALL) == SIGNED
    assert is_genuine(SIGNED, token=TOKEN, url=URL, parameters=CALL)


@pytest.mark.parametrize(
    ("url", "changes"),
    [
        (URL + "3", {}),
        (URL.replace("https", "http"), {}),
        (URL.replace("mycompany", "evil"), {}),
        (URL, {"Digits": ["1235"]}),
        (URL, {"Extra": ["1"]}),
        (URL, {"Digits": ["1234", "1235"]}),
    ],
)
def test_any_change_is_noticed(url: str, changes: dict[str, list[str]]) -> None:
    assert not is_genuine(SIGNED, token=TOKEN, url=url, parameters={**CALL, **changes})


@pytest.mark.parametrize("given", ["", "RSOYDt4T1cUTdK1PDd93/VVr8B8", SIGNED.lower(), "é", SIGNED + " "])
def test_another_signature_is_refused(given: str) -> None:
    assert not is_genuine(given, token=TOKEN, url=URL, parameters=CALL)


def test_another_token_is_refused() -> None:
    assert not is_genuine(SIGNED, token="12346", url=URL, parameters=CALL)


@pytest.mark.parametrize("url", ["https://a.example:443/x", "https://a.example/x"])
def test_a_port_may_be_signed_or_not(url: str) -> None:
    for configured in ("https://a.example/x", "https://a.example:443/x"):
        assert is_genuine(signature(TOKEN, url, {}), token=TOKEN, url=configured, parameters={})
    without = signature(TOKEN, "https://a.example/x", {})
    assert is_genuine(without, token=TOKEN, url="https://a.example:8443/x", parameters={})
    assert not is_genuine(
        signature(TOKEN, "https://a.example:9/x", {}), token=TOKEN, url="https://a.example/x", parameters={}
    )


def test_of_a_parameter_that_comes_twice_each_value_counts_once_in_order() -> None:
    twice = {"Field": ["b", "a", "b"]}
    assert signature(TOKEN, URL, twice) == signature(TOKEN, URL, {"Field": ["a", "b"]})
