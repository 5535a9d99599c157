"""Which addresses of PostgreSQL and Redis are accepted, and what their drivers are given."""

import ssl

import pytest
from django.core.exceptions import ImproperlyConfigured
from kombu import Connection

from config import addresses
from config.environment import Environment


def hosts_of(text: str) -> tuple[object, object]:
    found = addresses.django_database(text)
    return found["HOST"], found["PORT"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://u:p@db.example.org/r", ("db.example.org", "")),
        ("postgresql://u:p@db.example.org:5433/r", ("db.example.org", "5433")),
        ("postgres://u:p@a:1,b:2/r", ("a,b", "1,2")),
        ("postgres://u:p@a,b/r?target_session_attrs=primary", ("a,b", "5432,5432")),
        ("postgres://u:p@[::1]:5433,[fe80::1]/r", ("::1,fe80::1", "5433,5432")),
        ("postgres:///r?host=/run/postgresql", ("", "")),
        ("postgres://u:p@@a/r", ("a", "")),
    ],
)
def test_one_server_or_several(text, expected):
    assert hosts_of(text) == expected


def test_a_name_and_a_password_may_hold_any_letter():
    found = addresses.django_database("postgres://u%40x:p%2Fq:%3F@a:1,b:2/r%20x?sslmode=require")
    assert (found["USER"], found["PASSWORD"], found["NAME"]) == ("u@x", "p/q:?", "r x")
    assert found["OPTIONS"]["sslmode"] == "require"  # type: ignore[index]


def test_of_several_servers_the_one_that_takes_writes_is_used():
    options = [
        addresses.django_database(f"postgres://u:p@{servers}/r")["OPTIONS"] for servers in ("a", "a,b")
    ]
    assert [each.get("target_session_attrs") for each in options] == [None, "read-write"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("mysql://u:p@a/r", "an address like postgres://... or postgresql://..."),
        ("postgres://u:p@a:port/r", "host:port, with a port from 1 to 65535"),
        ("postgres://u:p@a:0/r", "host:port, with a port from 1 to 65535"),
        ("postgres://u:p@a:1,b:99999/r", "host:port, with a port from 1 to 65535"),
        ("postgres://u:p@a:1,/r", "a host at each place of host1:port,host2:port"),
        (
            "postgres://u:p@a,b/r?target_session_attrs=any",
            "of several servers target_session_attrs=read-write",
        ),
        ("a.example.org", "an address like scheme://user:password@host:port/name"),
    ],
)
def test_another_address_of_a_database_is_refused_and_not_repeated(text, needed):
    env = Environment({"DATABASE_URL": text})
    assert env.address("DATABASE_URL", "", of=addresses.postgres) == ""
    with pytest.raises(ImproperlyConfigured) as refused:
        env.refuse_if_wrong()
    assert f"DATABASE_URL is (hidden): {needed}" in str(refused.value)


SENTINELS = "sentinel://:secret@s1:26379,s2,s3:26380/2?master_name=reminders"


def test_one_redis():
    found = addresses.broker("redis://:p%40ss@r.example.org/3")
    assert (found.url, found.transport_options, found.tls) == ("redis://:p%40ss@r.example.org:6379/3", {}, {})


def test_tls_verifies_the_server_unless_told_otherwise():
    found = addresses.broker("rediss://:p@r.example.org:6380/0?ssl_ca_certs=/etc/ca.pem")
    assert found.tls == {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
        "ssl_ca_certs": "/etc/ca.pem",
    }
    assert addresses.broker("rediss://r:1/0?ssl_cert_reqs=none").tls == {
        "ssl_cert_reqs": ssl.CERT_NONE,
        "ssl_check_hostname": False,
    }


@pytest.mark.parametrize(
    "text",
    [
        SENTINELS,
        "sentinel://:secret@s1:26379;sentinel://:secret@s2;sentinel://:secret@s3:26380/2?master_name=reminders",
    ],
)
def test_sentinels_in_one_list_or_as_kombu_writes_them(text):
    found = addresses.broker(text)
    assert found.sentinels == [("s1", 26379), ("s2", 26379), ("s3", 26380)]
    assert found.url == ";".join(
        f"sentinel://:secret@{place}/2" for place in ("s1:26379", "s2:26379", "s3:26380")
    )
    assert found.transport_options == {"master_name": "reminders", "sentinel_kwargs": addresses.WAITS}
    with Connection(found.url, transport_options=found.transport_options) as link:
        assert (link.transport.driver_type, link.virtual_host, len(link.alt)) == ("redis", "2", 3)


def test_sentinels_may_have_a_password_of_their_own_and_tls():
    found = addresses.broker(f"{SENTINELS}&sentinel_password=other&tls=true")
    assert found.sentinel_options == {**addresses.WAITS, "password": "other", "ssl": True, **found.tls}
    assert found.tls["ssl_cert_reqs"] == ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("http://r/0", "an address like redis://... or rediss://... or sentinel://..."),
        ("sentinel://s1,s2/0", f"the name of the watched server: {addresses.SENTINEL_FORM}"),
        ("redis://r1,r2/0", f"one server, or the sentinels of several: {addresses.SENTINEL_FORM}"),
        ("redis://r/reminders", "the number of a database after the host, such as /0"),
        ("redis://r/0?master_name=x", "a query without master_name"),
        ("redis://r/0?ssl_cert_reqs=none", "rediss:// before options of TLS"),
        ("rediss://r/0?ssl_cert_reqs=maybe", "ssl_cert_reqs of required, optional, none"),
        ("redis://r:x/0", "host:port, with a port from 1 to 65535"),
    ],
)
def test_another_address_of_a_broker_is_refused_and_not_repeated(text, needed):
    env = Environment({"REDIS_URL": text})
    env.address("REDIS_URL", "redis://localhost:6379", of=addresses.broker)
    assert env.problems == [f"REDIS_URL is (hidden): {needed} is needed"]
