"""API tokens by command, their audit trail, and how often a caller may call."""

import json
import threading
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection

from accounts import allowances, limits, tokens
from accounts.authentication import TokenUser
from accounts.errors import UnknownToken
from accounts.models import Allowance, ApiToken
from assignments.teams import add_team
from reminders.models import Audit
from tests.conftest import NOON
from tests.fakes.api_caller import ApiCaller, faults


def command(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


# --- commands ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_leaked_token_is_found_by_what_was_found_of_it_and_refused(clock):
    secret = command("create_api_token", "planning", "--scopes", "read,write", "--days", "30").strip()
    call = ApiCaller("read")
    call.headers = {"Authorization": f"Bearer {secret}"}
    assert call.get("/api/assignments").status_code == 200

    listed = {token["name"]: token for token in json.loads(command("list_api_tokens", "--json"))}
    assert (listed["planning"]["state"], listed["planning"]["scopes"]) == ("good", ["read", "write"])
    assert listed["planning"]["last_used_at"] is not None
    said = command("revoke_api_token", secret, "--reason", "it stood in a ticket")
    assert said == f"Token planning ({secret[:10]}...) is revoked: it is refused from now on.\n"
    assert call.get("/api/assignments").status_code == 401
    assert "had been revoked before" in command("revoke_api_token", secret[:10], "--reason", "again")

    trail = list(Audit.objects.order_by("id").values_list("action", "reason"))
    assert trail == [("create_token", ""), ("revoke_token", "it stood in a ticket")]
    everything = json.dumps(list(Audit.objects.values("selection", "before", "after")))
    assert secret[:10] in everything
    assert secret[10:] not in everything + said


@pytest.mark.django_db
def test_the_list_shows_how_each_stands_and_no_secret(clock):
    assert command("list_api_tokens").startswith("There are no tokens")
    secrets = [
        command("create_api_token", name, "--scopes", "read", "--days", "1").strip()
        for name in ("a", "b", "c")
    ]
    command("revoke_api_token", "b", "--reason", "not needed")
    ApiToken.objects.filter(name="c").update(expires_at=NOON - timedelta(days=400))
    shown = command("list_api_tokens")
    assert [line.split("  ")[3].split(",")[0] for line in shown.splitlines()] == [
        "good",
        "revoked",
        "expired",
    ]
    assert not any(secret[10:] in shown for secret in secrets)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("revoke_api_token", "nobody", "--reason", "x"), "no token has the name or prefix 'nobody'"),
        (
            ("revoke_api_token", "art_" + "x" * 60, "--reason", "x"),
            "no token has the name or prefix 'art_xxxxxx...'",
        ),
        (
            ("create_api_token", "a", "--scopes", "root"),
            "scopes are 'root': some of read,write,ops,privacy are needed",
        ),
        (
            ("create_api_token", "a", "--scopes", "read", "--days", "0"),
            "days is 0: a whole number from 1 to 3650",
        ),
    ],
)
def test_what_is_not_understood_is_named(words, says):
    with pytest.raises(CommandError, match=says.replace(".", r"\.").replace("(", r"\(")):
        command(*words)


@pytest.mark.django_db
def test_revoking_wants_a_reason():
    token, _ = ApiToken.issue("a", scopes=["read"], days=None)
    with pytest.raises(CommandError, match="a reason is needed"):
        command("revoke_api_token", "a", "--reason", " ")
    token.refresh_from_db()
    assert token.revoked_at is None


@pytest.mark.django_db
def test_a_name_that_is_also_a_prefix_is_refused_not_guessed():
    one, _ = ApiToken.issue("a", scopes=["read"], days=None)
    ApiToken.issue(one.prefix, scopes=["read"], days=None)
    with pytest.raises(UnknownToken, match="two tokens have"):
        tokens.find(one.prefix)


# --- how often ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_minutes_calls_at_once_and_then_as_they_are_earned(clock, settings):
    settings.API_RATE = 6
    call = ApiCaller("read")
    assert [call.get("/api/assignments").status_code for _ in range(7)] == [200] * 6 + [429]
    refused = call.get("/api/assignments")
    assert refused["Retry-After"] == "10"
    assert faults(refused)[0][1] == "throttled"
    clock.advance(timedelta(seconds=9.5))
    assert call.get("/api/assignments")["Retry-After"] == "1"
    clock.advance(timedelta(seconds=0.5))
    assert [call.get("/api/assignments").status_code for _ in range(2)] == [200, 429]
    clock.advance(timedelta(hours=3))
    assert [call.get("/api/assignments").status_code for _ in range(7)] == [200] * 6 + [429]


@pytest.mark.django_db
def test_each_caller_has_its_own_and_what_is_open_to_all_counts_for_nobody(clock, settings):
    settings.API_RATE = 1
    one, other = ApiCaller("read"), ApiCaller("write")
    assert [one.get("/api/assignments").status_code for _ in range(2)] == [200, 429]
    assert other.get("/api/assignments").status_code == 200
    for path in ("/api/schema", "/healthz", "/readyz", "/api/metrics"):
        assert {one.client.get(path).status_code for _ in range(4)} == {200}, path


@pytest.mark.django_db
def test_no_rate_no_row(settings):
    settings.API_RATE = 0
    call = ApiCaller("read")
    assert {call.get("/api/assignments").status_code for _ in range(3)} == {200}
    assert not Allowance.objects.exists()


@pytest.mark.django_db
def test_a_call_that_is_refused_does_nothing_even_under_a_key(clock, settings):
    settings.API_RATE = 1
    call = ApiCaller("write")
    body = {"title": "x", "scheduled_start": "2030-01-01T00:00:00Z"}
    made = call.post("/api/assignments", body, Idempotency_Key="k")
    assert made.status_code == 201
    assert call.post("/api/assignments", body, Idempotency_Key="k").status_code == 429
    clock.advance(timedelta(minutes=1))
    again = call.post("/api/assignments", body, Idempotency_Key="k")
    assert (again.status_code, again.json()["id"]) == (201, made.json()["id"])


@pytest.mark.django_db(transaction=True)
def test_a_database_that_only_reads_still_answers_readers(settings, monkeypatch):
    settings.API_RATE = 1
    monkeypatch.setattr(
        allowances, "TAKE_ONE", "INSERT INTO no_such_table VALUES (%(caller)s, %(each)s, %(most)s)"
    )
    call = ApiCaller("read")
    assert [call.get("/api/assignments").status_code for _ in range(3)] == [200] * 3


@pytest.mark.django_db(transaction=True)
def test_many_connections_share_one_allowance(settings):
    """Each thread has a connection of its own, as each web process has."""
    settings.API_RATE = 20
    call = ApiCaller("read")
    statuses: list[int] = []

    def knock() -> None:
        try:
            for _ in range(15):
                statuses.append(call.get("/api/assignments").status_code)
        finally:
            connection.close()

    began = time.monotonic()
    threads = [threading.Thread(target=knock) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(statuses) == 60
    earned = (time.monotonic() - began) / 3  # one every three seconds
    assert 20 <= statuses.count(200) <= 20 + earned
    assert statuses.count(429) == 60 - statuses.count(200)


def test_a_token_is_limited_to_teams_by_their_names(db, capsys):
    north, _ = (add_team(name=name) for name in ("North", "South"))
    call_command("create_api_token", "planning", "--scopes", "read", "--team", "North")
    token = ApiToken.objects.get()
    assert token.teams == [north.pk]
    capsys.readouterr()
    call_command("list_api_tokens")
    assert "teams North" in capsys.readouterr().out
    assert Audit.objects.get(action="create_token").after["teams"] == [north.pk]


def test_a_team_that_is_not_there_is_refused_by_name(db):
    add_team(name="North")
    with pytest.raises(CommandError, match=r"'West': names of teams are needed \(North\)"):
        call_command("create_api_token", "planning", "--scopes", "read", "--team", "West")
    assert not ApiToken.objects.exists()


def test_a_token_without_teams_sees_everything_and_one_with_an_empty_list_is_refused(db):
    token, _ = tokens.issue("planning", scopes=["read"], days=None, by="root")
    assert limits.teams_of(TokenUser(token)) is None
    with pytest.raises(ValidationError):
        tokens.issue("other", scopes=["read"], days=None, by="root", teams=[])


def test_who_is_limited_to_what_is_in_the_audit_trail(db, django_user_model):
    north = add_team(name="North")
    olga = django_user_model.objects.create_user("olga", is_staff=True)
    assert limits.teams_of(olga) is None
    limits.limit_user(olga, [north.pk], by="root")
    limits.limit_user(olga, [north.pk], by="root")
    assert limits.teams_of(olga) == {north.pk}
    limits.limit_user(olga, None, by="root")
    assert limits.teams_of(olga) is None
    steps = Audit.objects.filter(action="limit_user").order_by("pk").values_list("after", flat=True)
    assert [step["teams"] for step in steps] == [[north.pk], None]
