"""Which poolers stop a process from starting."""

import pytest

from config import addresses
from config.database import pooler

RIGHT = dict(pooler.AS_SHOWN)


@pytest.mark.parametrize(
    ("said", "is_direct", "settings", "problem"),
    [
        ("none", True, {}, ""),
        ("none", False, RIGHT, pooler.NOT_TOLD),
        ("session", False, {}, ""),
        ("transaction", False, RIGHT, ""),
        ("transaction", True, RIGHT, ""),  # it may be away for a while
        (
            "transaction",
            False,
            {**RIGHT, "lock_timeout": "0ms"},
            pooler.NO_SETTINGS.format(missing="lock_timeout=15s"),
        ),
    ],
)
def test_a_pooler_must_be_told_and_the_role_have_its_settings(said, is_direct, settings, problem):
    assert pooler.judge(said, is_direct, settings) == problem


def test_through_a_pooler_in_transaction_mode_nothing_needs_a_session():
    found = addresses.django_database("postgres://u:p@a:6432/r?pooler=transaction&sslmode=require")
    options = found["OPTIONS"]
    assert isinstance(options, dict)
    assert found["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert options["prepare_threshold"] is None
    assert options["sslmode"] == "require"
    assert not {"options", "pooler"} & options.keys()


@pytest.mark.parametrize("mode", ["", "?pooler=session", "?pooler=none"])
def test_a_session_of_ones_own_has_them_all(mode):
    found = addresses.django_database(f"postgres://u:p@a:6432/r{mode}")
    options = found["OPTIONS"]
    assert isinstance(options, dict)
    assert (found["DISABLE_SERVER_SIDE_CURSORS"], options["prepare_threshold"]) == (False, 2)
    assert "-c lock_timeout=15s" in options["options"]
    assert "pooler" not in options


def test_an_unknown_mode_is_refused():
    with pytest.raises(addresses.AddressNotAccepted, match="pooler=none or session or transaction"):
        addresses.postgres("postgres://u:p@a/r?pooler=statement")


def test_the_drivers_own_arguments_do_not_speak_of_it():
    found = addresses.connection_arguments("postgres://u:p@a:1,b/r?pooler=transaction&sslmode=require")
    assert found == {
        "dbname": "r",
        "user": "u",
        "password": "p",
        "host": "a,b",
        "port": "1,5432",
        "sslmode": "require",
        "target_session_attrs": "read-write",
    }
