"""Message templates over HTTP: what people read, in the organisation's own words."""

from datetime import timedelta

import pytest

from assignments import teams
from reminders.models import Audit, MessageTemplate
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller

pytestmark = pytest.mark.django_db
URL = "/api/message-templates"
PLACE = {"kind": "reminder", "channel": "email", "language": "en"}
TEXT = {**PLACE, "subject": "Heads up: {{ title }}", "body": "{{ title }}: {{ time_line }}"}


@pytest.fixture
def api(clock):
    return ApiCaller("ops")


def test_a_text_is_saved_replaced_restored_and_taken_out_of_force(api):
    made = api.post(URL, {**TEXT, "note": "friendlier", "seen": 0})
    assert (made.status_code, made.json()["state"], made.json()["version"]) == (201, "in_use", 1)
    pk = made.json()["id"]
    assert api.post(URL, TEXT).status_code == 200
    changed = api.post(URL, {**TEXT, "body": "Soon: {{ time_line }}", "seen": 1})
    assert (changed.status_code, changed.json()["version"], changed.json()["id"]) == (201, 2, pk)
    restored = api.post(f"{URL}/{pk}/restore", {"version": 1, "note": "was better", "seen": 2}).json()
    assert (restored["version"], restored["body"]) == (3, TEXT["body"])
    versions = api.get(f"{URL}/{pk}/versions").json()["results"]
    assert [(one["number"], one["note"], one["made_by"], one["restored_from"]) for one in versions] == [
        (3, "was better", "token:ops", 1),
        (2, "", "token:ops", None),
        (1, "friendlier", "token:ops", None),
    ]
    off = api.post(f"{URL}/{pk}/deactivate", {"reason": "not needed"}).json()
    assert (off["state"], off["version"], off["newest"]) == ("off", 3, 3)
    assert api.get(f"{URL}/{pk}").json() == off
    assert [one["id"] for one in api.get(f"{URL}?channel=email&language=en").json()["results"]] == [pk]
    assert api.get(f"{URL}?kind=digest").json()["results"] == []
    assert list(Audit.objects.order_by("id").values_list("action", flat=True)) == [
        "save_template",
        "save_template",
        "restore_template",
        "deactivate_template",
    ]


@pytest.mark.parametrize("tag", ["de-AT", "de_AT", "de-at"])
def test_a_language_with_a_region_is_taken_as_people_have_it(api, tag):
    made = api.post(URL, {**TEXT, "language": tag})
    assert (made.status_code, made.json()["language"]) == (201, "de-at")
    assert [one["id"] for one in api.get(f"{URL}?language={tag}").json()["results"]] == [made.json()["id"]]
    shown = api.post(f"{URL}/preview", {**TEXT, "language": tag}).json()
    assert "Mo, 15. Juni" in shown["text"]


def test_who_saves_second_is_told_and_nothing_is_lost(api):
    api.post(URL, {**TEXT, "seen": 0})
    second = api.post(URL, {**TEXT, "body": "Mine: {{ time_line }}", "seen": 0})
    assert (second.status_code, second.json()["errors"][0]["code"]) == (409, "template_changed")
    assert MessageTemplate.objects.get().versions.get().body == TEXT["body"]


def test_what_is_wrong_has_a_line_and_a_place_in_it(api):
    wrong = {**TEXT, "body": "{{ title }}\nat {{ time_lin }}", "subject": "{% for x in y %}"}
    for address in (URL, f"{URL}/preview"):
        found = api.post(address, wrong).json()["errors"]
        assert [(one["field"], one["line"], one["character"]) for one in found] == [
            ("subject", 1, 4),
            ("body", 2, 4),
        ]
        assert found[1]["message"].startswith("line 2, column 4: time_lin: these messages have no such value")
    assert [one["field"] for one in api.post(URL, {**TEXT, "language": "xx"}).json()["errors"]] == [
        "language"
    ]
    assert api.get(f"{URL}/1").status_code == api.post(f"{URL}/1/restore", {"version": 1}).status_code == 404
    assert not MessageTemplate.objects.exists()


def test_a_preview_is_what_would_be_sent_without_what_opens_its_links(api, settings):
    settings.PUBLIC_URL = "https://reminders.example"
    work = AssignmentFactory(
        title="Grease the door",
        scheduled_start=NOON + timedelta(hours=2),
        assignee=AssigneeFactory(name="Ann"),
    )
    mail = api.post(f"{URL}/preview", {**TEXT, "assignment": work.pk}).json()
    assert mail["subject"] == "Heads up: Grease the door"
    assert "Grease the door: Mon 15 Jun, 16:00 (Berlin time)" in mail["text"]
    assert "xxxxxxxx" in mail["text"]
    assert "xxxxxxxx" in mail["html"]
    short = {**PLACE, "channel": "sms", "body": "{{ title }} {{ start_short }} {{ zone }} {{ link }}"}
    sms = api.post(f"{URL}/preview", {**short, "sample": "with little"}).json()
    assert (sms["encoding"], sms["segments"], sms["subject"], sms["html"]) == ("GSM-7", 1, "", "")
    assert sms["units"] == len(sms["text"])
    assert sms["text"].endswith("/a/17-3-1." + "x" * 43)
    refused = api.post(f"{URL}/preview", {**short, "sample": "yesterday"})
    assert refused.json()["errors"][0]["message"].startswith(
        "one of usual, with little, confirmed, late, changed"
    )
    assert api.post(f"{URL}/preview", {**TEXT, "assignment": 4711}).status_code == 404


def test_each_text_to_begin_with_can_be_saved(api):
    for kind in MessageTemplate.Kind.values:
        for channel in ("email", "sms"):
            begun = api.get(f"{URL}/starter?kind={kind}&channel={channel}").json()
            text = {name: begun[name] for name in ("subject", "body")}
            saved = api.post(URL, {"kind": kind, "channel": channel, "language": "en", **text})
            assert saved.status_code == 201, (kind, channel, saved.json())
            shown = api.post(f"{URL}/preview", {"kind": kind, "channel": channel, "language": "en", **text})
            assert (shown.status_code, shown.json()["fault"]) == (200, ""), (kind, channel, shown.json())
            assert {"name", "role", "description", "example"} == begun["values"][0].keys()


def test_a_caller_of_a_team_writes_its_texts_alone(api):
    north, south = (teams.add_team(name=name) for name in ("North", "South"))
    api.post(URL, {**TEXT, "team": south.pk})
    caller = ApiCaller("ops", teams=[north])
    for team in (None, south.pk):
        assert [one["field"] for one in caller.post(URL, {**TEXT, "team": team}).json()["errors"]] == ["team"]
    own = caller.post(URL, {**TEXT, "team": north.pk}).json()
    assert [one["team"] for one in caller.get(URL).json()["results"]] == [north.pk]
    assert caller.post(f"{URL}/{own['id']}/deactivate", {}).status_code == 200


def test_a_token_without_the_scope_reads_and_writes_nothing(api):
    pk = api.post(URL, TEXT).json()["id"]
    reader = ApiCaller("read")
    assert reader.get(f"{URL}/{pk}").json()["body"] == TEXT["body"]
    assert reader.post(URL, TEXT).status_code == 403
