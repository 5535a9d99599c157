"""Limits for signing in: by address, by name, for each process; and what is logged and counted of failures."""

import logging
import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.signing import get_cookie_signer
from django.db import connection
from django.test import Client, RequestFactory

from accounts import allowances, sign_in, sign_in_failures
from accounts.client_address import client_address
from accounts.models import Allowance
from reminders.delivery import retention
from reminders.ledger import counters
from tests.fakes.api_caller import ApiCaller, faults
from tests.stack import until

pytestmark = pytest.mark.django_db

NAME, PASSWORD = "olga@example.com", "a-long-password"


@pytest.fixture(autouse=True)
def _site(settings, monkeypatch):
    settings.TRUSTED_PROXY_COUNT = 0
    monkeypatch.setattr(sign_in_failures, "failures", sign_in_failures.Failures())
    monkeypatch.setattr(sign_in, "_empty_until", {})
    get_user_model().objects.create_user(NAME, password=PASSWORD, is_staff=True)


def attempt(name=NAME, password="wrong", *, address="192.0.2.1", client=None, **headers):
    return (client or Client()).post(
        "/admin/login/",
        {"username": name, "password": password, "next": "/ops/"},
        REMOTE_ADDR=address,
        headers=headers,
    )


def later(clock, seconds: int) -> None:
    """Time passes in the database, and for what the process remembers."""
    clock.advance(timedelta(seconds=seconds))
    sign_in._empty_until = {who: until - seconds for who, until in sign_in._empty_until.items()}


def statuses(number, **values):
    return Counter(attempt(**values).status_code for _ in range(number))


def failures() -> dict[str, float]:
    sign_in_failures.report_the_rest()
    with connection.cursor() as cursor:
        totals = counters.totals(cursor)
    return {
        labels.removeprefix("reason="): value
        for (name, labels), value in totals.items()
        if name == counters.SIGN_IN_FAILURES
    }


def test_five_wrong_passwords_and_then_one_a_minute(clock):
    assert statuses(7) == {200: 5, 429: 2}
    refused = attempt(password=PASSWORD)
    assert (refused.status_code, refused["Retry-After"]) == (429, "60")
    assert b"Too many sign-ins have failed from your network, or with this name." in refused.content
    assert b"Try again in 1 minute." in refused.content
    later(clock, 60)
    assert attempt(password=PASSWORD).status_code == 302


def test_spellings_of_a_name_share_its_limit(clock):
    names = [
        "olga@example.com",
        "OLGA@example.com",
        " olga@example.com ",
        "\N{FULLWIDTH LATIN SMALL LETTER O}lga@example.com",
    ]
    assert [attempt(name).status_code for name in names] == [200] * 4
    assert statuses(2) == {200: 1, 429: 1}


def test_one_address_tries_twenty_names_and_then_one_in_fifteen_seconds(clock):
    assert [attempt(f"name{n}").status_code for n in range(21)] == [200] * 20 + [429]
    assert attempt("another")["Retry-After"] == "15"
    assert attempt("another", address="192.0.2.2").status_code == 200
    later(clock, 15)
    assert [attempt(f"later{n}").status_code for n in range(2)] == [200, 429]


def test_fifty_addresses_that_try_one_name_do_not_lock_its_owner_out(clock):
    owner = Client()
    assert attempt(password=PASSWORD, client=owner).status_code == 302
    found = [attempt(address=f"198.51.100.{n}").status_code for n in range(52)]
    assert found == [200] * 50 + [429] * 2
    assert attempt(password=PASSWORD, address="203.0.113.1").status_code == 429
    owner.post("/admin/logout/")
    assert attempt(password=PASSWORD, address="203.0.113.1", client=owner).status_code == 302


def test_a_cookie_of_another_name_or_a_forged_one_opens_nothing(clock):
    stranger = Client()
    get_user_model().objects.create_user("other", password=PASSWORD, is_staff=True)
    assert attempt("other", PASSWORD, client=stranger).status_code == 302
    for n in range(50):
        attempt(address=f"198.51.100.{n}")
    assert attempt(address="203.0.113.1", client=stranger).status_code == 429
    stranger.cookies[sign_in.KNOWN_COOKIE] = sign_in_failures.keyed_hash("name", NAME)
    assert attempt(address="203.0.113.1", client=stranger).status_code == 429


def test_who_signs_in_uses_nothing_up(clock):
    for _ in range(30):
        assert attempt(password=PASSWORD).status_code == 302
    assert statuses(4) == {200: 4}
    assert attempt(password=PASSWORD).status_code == 302
    assert statuses(6) == {200: 5, 429: 1}


def test_an_empty_form_is_no_attempt(clock):
    assert statuses(30, password="") == {200: 30}
    assert not Allowance.objects.exists()


def test_a_page_without_a_csrf_token_hashes_nothing(clock):
    client = Client(enforce_csrf_checks=True)
    assert attempt(client=client).status_code == 403
    assert not Allowance.objects.exists()


def test_what_is_refused_hashes_nothing(clock, monkeypatch):
    hashed = []
    monkeypatch.setattr(
        "django.contrib.auth.backends.ModelBackend.authenticate", lambda *args, **kwargs: hashed.append(1)
    )
    assert statuses(60) == {200: 5, 429: 55}
    assert len(hashed) == 5


@pytest.mark.django_db(transaction=True)
def test_each_process_hashes_one_password_at_a_time_and_lets_few_wait(monkeypatch, settings):
    inside, most, entered, go_on = [0], [0], threading.Semaphore(0), threading.Event()

    def slow(*args, **kwargs):
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        entered.release()
        assert go_on.wait(90)
        inside[0] -= 1

    monkeypatch.setattr("django.contrib.auth.backends.ModelBackend.authenticate", slow)
    found: list[int] = []

    def knock(n: int, name: str = "", client: Client | None = None) -> None:
        try:
            address = f"198.51.100.{n}"
            found.append(attempt(name or f"name{n}", address=address, client=client).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=knock, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    assert entered.acquire(timeout=60)
    until(lambda: len(found) >= 9, within=60, what="whoever finds no place is refused")
    assert found == [429] * 9
    # Whoever works here still finds a place.
    owner = Client()
    owner.cookies[sign_in.KNOWN_COOKIE] = get_cookie_signer(salt=sign_in.KNOWN_COOKIE).sign(
        sign_in_failures.keyed_hash("name", NAME)
    )
    threads.append(threading.Thread(target=knock, args=(99, NAME, owner)))
    threads[-1].start()
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert (Counter(found), most[0]) == ({429: 9, 200: 4}, 1)
    assert Allowance.objects.filter(caller__startswith="at:").count() == 4
    assert failures() == {"busy": 9, "credentials": 4}


def test_failures_are_counted_and_logged_without_names_or_addresses(clock, caplog, monkeypatch):
    monkeypatch.setattr(sign_in_failures, "SECONDS", 0.0)
    with caplog.at_level(logging.WARNING, "accounts"):
        statuses(6)
        attempt("other")
    assert failures() == {"credentials": 6, "limited": 1}
    lines = [vars(record) for record in caplog.records if record.name.startswith("accounts")]
    assert [line["message"] for line in lines] == ["Sign-in failed"] * 7
    assert [line["reason"] for line in lines] == ["credentials"] * 5 + ["limited", "credentials"]
    assert len({line["address_hash"] for line in lines}) == 1
    assert len({line["name_hash"] for line in lines}) == 2
    assert not any(secret in str(lines) for secret in (NAME, "olga", "192.0.2", "wrong"))


def test_refusals_that_follow_each_other_share_a_line(clock, caplog):
    with caplog.at_level(logging.WARNING, "accounts"):
        statuses(40)
    lines = [vars(record) for record in caplog.records if record.name.startswith("accounts")]
    assert {line["reason"] for line in lines} == {"credentials", "limited"}
    assert failures() == {"credentials": 5, "limited": 35}
    assert sum(line["number"] for line in lines) <= 40


def test_calls_without_a_valid_token_are_limited_and_those_with_one_are_not(clock):
    good, bad = ApiCaller("read"), ApiCaller("write")
    bad.headers = {"Authorization": "Bearer art_unknown"}
    found = Counter(bad.get("/api/assignments").status_code for _ in range(62))
    assert found == {401: 60, 429: 2}
    refused = bad.get("/api/assignments")
    assert (refused["Retry-After"], faults(refused)[0][1]) == ("1", "throttled")
    assert good.get("/api/assignments").status_code == 200
    assert failures() == {"token": 60, "limited": 3}
    clock.advance(timedelta(seconds=1))
    assert [bad.get("/api/assignments").status_code for _ in range(2)] == [401, 429]


@pytest.mark.django_db(transaction=True)
def test_without_a_table_of_limits_nobody_is_let_in_and_the_page_says_so(monkeypatch):
    monkeypatch.setattr(
        allowances, "TAKE_ONE", "INSERT INTO no_such_table VALUES (%(caller)s, %(each)s, %(most)s)"
    )
    refused = attempt(password=PASSWORD)
    assert (refused.status_code, refused["Retry-After"]) == (503, "2")
    assert b"the database cannot be written" in refused.content


def test_full_allowances_are_forgotten(clock, config):
    statuses(3)
    clock.advance(timedelta(seconds=50))
    retention.prune(config)
    kept = [caller.partition(":")[0] for caller in Allowance.objects.values_list("caller", flat=True)]
    assert sorted(kept) == ["as", "name"]
    clock.advance(timedelta(minutes=3))
    retention.prune(config)
    assert not Allowance.objects.exists()


@pytest.mark.parametrize(
    ("proxies", "forwarded", "found"),
    [
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.1, 203.0.113.9", "198.51.100.1"),
        (2, "203.0.113.9", "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, " , ", "192.0.2.1"),
        (1, "203.0.113.9:4711", "203.0.113.9"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "unknown", "unknown"),
    ],
)
def test_the_address_is_what_trusted_proxies_have_added(settings, proxies, forwarded, found):
    settings.TRUSTED_PROXY_COUNT = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", headers={"X-Forwarded-For": forwarded})
    assert client_address(request) == found
