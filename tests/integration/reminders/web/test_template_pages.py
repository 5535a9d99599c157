"""The pages on which operators write what people read."""

import re
from time import process_time
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from accounts import limits, roles
from assignments.teams import add_team
from reminders.models import Audit, MessageTemplate
from reminders.operations import message_templates
from tests.factories import AssignmentFactory
from tests.fakes.api_caller import ApiCaller
from tests.logins import signed_in, staff

pytestmark = pytest.mark.django_db
LIST = "/ops/templates"
PLACE = {"kind": "reminder", "channel": "email", "language": "en", "team": ""}
TEXT = {**PLACE, "subject": "Heads up: {{ title }}", "body": "{{ title }}: {{ time_line }}", "seen": "0"}


@pytest.fixture
def olga(clock) -> Client:
    return signed_in(staff("olga", roles.OPERATORS))


def page_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status
    return re.sub(r"\s+", " ", answer.content.decode())


def save(client: Client, address: str = f"{LIST}/new", **values: str) -> Any:
    return client.post(address, {**TEXT, "action": "save", **values})


def made() -> MessageTemplate:
    return MessageTemplate.objects.get()


def test_a_text_begins_as_the_built_in_one_in_its_language(olga):
    german = page_of(olga.get(f"{LIST}/new", {**PLACE, "language": "de"}))
    assert "Guten Tag {{ name }}!" in german
    assert "Guten Tag Ana Müller!" in german
    assert "What people read" in page_of(olga.get(LIST))
    for none in ({"kind": "poem"}, {"team": "all"}, {"team": "9" * 30}):
        assert olga.get(f"{LIST}/new", {**PLACE, **none}).status_code == 404


def test_a_text_for_one_region_is_begun_saved_and_found(olga):
    begun = page_of(olga.get(f"{LIST}/new", {**PLACE, "language": "de", "region": "AT"}))
    assert "<h1>Reminder, E-mail, Deutsch (AT)</h1>" in begun
    assert "Guten Tag {{ name }}!" in begun
    assert save(olga, language="de-at").status_code == 302
    assert made().language == "de-at"
    listed = page_of(olga.get(LIST, {"language": "de-at"}))
    assert '<option value="de-at" selected>Deutsch (AT)</option>' in listed
    assert "<td>Deutsch (AT)</td>" in listed
    assert olga.get(f"{LIST}/new", {**PLACE, "language": "de", "region": "<b>"}).status_code == 404


@pytest.mark.parametrize("channel", ["email", "sms"])
@pytest.mark.parametrize("kind", MessageTemplate.Kind.values)
def test_each_kind_begins_with_a_preview_on_its_first_row(olga, kind, channel):
    shown = page_of(olga.get(f"{LIST}/new", {**PLACE, "kind": kind, "channel": channel}))
    assert "Links in a preview open nothing" in shown


def test_a_text_is_saved_found_in_the_list_and_switched_off(olga):
    saved = save(olga, note="friendlier")
    assert saved["Location"] == f"{LIST}/{made().pk}"
    shown = page_of(olga.get(saved["Location"]))
    assert "Version 1 is in use now." in shown
    assert "friendlier" in shown
    assert olga.get(f"{LIST}/new", PLACE)["Location"] == saved["Location"]
    assert "Reminder, E-mail</a>" in page_of(olga.get(LIST, {"state": "in_use"}))
    for other in (
        {"state": "off"},
        {"kind": "digest"},
        {"channel": "sms"},
        {"language": "fr"},
        {"team": "1"},
    ):
        assert "No stored text matches" in page_of(olga.get(LIST, other))
    olga.post(saved["Location"], {"action": "off", "note": "not needed"})
    assert "the built-in text is used again" in page_of(olga.get(saved["Location"]))
    assert made().active_number is None
    assert list(Audit.objects.order_by("id").values_list("action", "actor", "reason")) == [
        ("save_template", "olga", "friendlier"),
        ("deactivate_template", "olga", "not needed"),
    ]


def test_what_is_wrong_stands_at_its_field_and_the_text_stays(olga):
    shown = page_of(save(olga, body="{{ title }}\n{{ tittle }}"), 400)
    assert '<ul class="errorlist" id="errors-body-list"><li>line 2, column 1: tittle: these' in shown
    assert "{{ tittle }}</textarea>" in shown
    assert "There is no preview" in shown
    assert not MessageTemplate.objects.exists()
    save(olga)
    again = page_of(save(olga, f"{LIST}/{made().pk}", body="{{ tittle }}", seen="1"), 400)
    assert again.count("line 1, column 1: tittle") == 1


@pytest.mark.parametrize(
    "body", ["{% if late %}100 %", "{% if late or %}", "{% endif %} %(line)s", "{%%}{{}}"]
)
def test_what_is_wrong_may_name_tags_with_percent_signs(olga, body):
    assert "line 1, column" in page_of(save(olga, body="{{ time_line }} " + body), 400)
    assert '<ul class="errorlist"' in page_of(olga.post(f"{LIST}/preview", {**TEXT, "body": body}))


def test_who_saves_second_is_shown_both_texts(olga):
    save(olga)
    address = f"{LIST}/{made().pk}"
    save(signed_in(staff("omar", roles.OPERATORS)), address, body="Omar: {{ time_line }}", seen="1")
    told = page_of(save(olga, address, body="Olga: {{ time_line }}", seen="1"), 409)
    assert "<bdi>omar</bdi> has saved version 2 while you were writing." in told
    assert "<del>- Omar: {{ time_line }}</del><ins>+ Olga: {{ time_line }}</ins>" in told
    assert "Olga: {{ time_line }}</textarea>" in told
    assert 'name="seen" value="2"' in told
    subject = page_of(save(olga, address, subject="Soon", body="Omar: {{ time_line }}", seen="1"), 409)
    assert "<del>- Heads up: {{ title }}</del><ins>+ Soon</ins>" in subject
    late = olga.post(address, {"action": "restore", "version": "1", "seen": "1"}, follow=True)
    assert "somebody has saved version 2 meanwhile" in page_of(late)
    assert 'name="seen" value="2"' in page_of(olga.get(f"{address}/versions/1"))
    assert made().active_number == 2
    assert save(olga, address, body="Olga: {{ time_line }}", seen="2").status_code == 302


def test_a_version_is_compared_and_comes_back(olga):
    save(olga)
    address = f"{LIST}/{made().pk}"
    save(olga, address, body="Soon: {{ time_line }}", seen="1")
    shown = page_of(olga.get(f"{address}/versions/1"))
    assert "From version 1 to version 2:" in shown
    assert "<del>- {{ title }}: {{ time_line }}</del><ins>+ Soon: {{ time_line }}</ins>" in shown
    olga.post(address, {"action": "restore", "version": "1", "note": "was better"})
    assert "the text of version 1" in page_of(olga.get(address))
    assert (made().active_number, made().versions.get(number=3).restored_from) == (3, 1)
    assert olga.get(f"{address}/versions/9").status_code == 404
    assert olga.post(address, {"action": "restore", "version": "9"}).status_code == 404


def test_the_preview_is_a_part_of_the_page_and_its_html_is_kept_in_a_frame(olga, settings):
    settings.PUBLIC_URL = "https://reminders.example"
    work = AssignmentFactory(title="Grease <b>the door", reference="W-7")
    draft = {**TEXT, "work": "W-7", "sample": "with little"}
    part = page_of(olga.post(f"{LIST}/preview", draft))
    assert '<strong dir="auto">Heads up: Grease &lt;b&gt;the door</strong>' in part
    assert f"/a/{work.pk}-{work.assignee_id}-1.xxxxxxxx" in part
    frame = olga.post(f"{LIST}/html", draft)
    assert "sandbox" in frame["Content-Security-Policy"]
    assert "script-src" not in frame["Content-Security-Policy"]
    assert "Grease &lt;b&gt;the door" in page_of(frame)
    sms = {
        **draft,
        "channel": "sms",
        "subject": "",
        "body": "{{ title }} {{ start_short }} {{ zone }} {{ link }}",
    }
    assert re.search(r"GSM-7, \d+ characters, 1 segment<", page_of(olga.post(f"{LIST}/preview", sms)))
    wrong = page_of(olga.post(f"{LIST}/preview", {**draft, "body": "{% now %}", "work": "W-8"}))
    assert '<div id="errors-body" hx-swap-oob="true"><ul' in wrong
    assert "There is no such assignment" in wrong


def test_what_was_written_is_not_lost_when_a_session_ends_meanwhile(olga):
    draft = {**TEXT, "action": "save"}

    def send(client: Client, address: str, headers: dict[str, str], **more: str) -> Any:
        form = "application/x-www-form-urlencoded"
        return client.post(f"{LIST}/{address}", urlencode(draft | more), content_type=form, headers=headers)

    part = send(Client(), "preview", {"HX-Request": "true"})
    assert "What you have written stays here" in page_of(part, 401)
    assert "HX-Refresh" not in part
    assert "{{ title }}: {{ time_line }}</textarea>" in page_of(send(Client(), "new", {}), 401)
    olga.handler.enforce_csrf_checks = True
    own = {"Sec-Fetch-Site": "same-origin"}
    again = page_of(send(olga, "new", own), 403)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', again)
    assert "Send it again" in again
    assert token
    assert "time_line" not in page_of(send(olga, "new", {}), 403)
    assert send(olga, "new", own, csrfmiddlewaretoken=token[1]).status_code == 302
    assert "StoredText" not in page_of(olga.get(f"{LIST}/{made().pk}/versions/1"))


def test_viewers_read_and_people_of_a_team_write_its_texts_alone(olga):
    save(olga)
    address = f"{LIST}/{made().pk}"
    viewer = signed_in(staff("vera", roles.VIEWERS))
    assert "<textarea" not in page_of(viewer.get(address))
    assert save(viewer, address).status_code == 403
    north = add_team(name="North")
    person = staff("nora", roles.OPERATORS)
    limits.limit_user(person, [north.pk], by="root")
    nora = signed_in(person)
    assert "No stored text matches" in page_of(nora.get(LIST))
    assert nora.get(address).status_code == save(nora).status_code == 404
    assert save(nora, team=str(north.pk)).status_code == 302


def test_a_text_of_a_former_release_that_is_refused_now_is_shown_with_what_is_wrong(olga):
    save(olga)
    made().versions.create(number=2, body="{{ gone }}", subject="x", made_by="omar")
    MessageTemplate.objects.update(active_number=2, revision=9)
    assert "broken" in page_of(olga.get(LIST, {"state": "broken"}))
    assert "gone: these messages have no such value" in page_of(olga.get(f"{LIST}/{made().pk}"))


def test_pages_say_what_is_wrong_in_the_language_of_the_reader_and_the_api_in_english(olga):
    german = {"Accept-Language": "de"}
    wrong = {**TEXT, "action": "save", "body": "{{ time_line }} {{ tittle }}"}
    shown = page_of(olga.post(f"{LIST}/new", wrong, headers=german), 400)
    assert "Zeile 1, Spalte 17: tittle: Einen solchen Wert haben diese Nachrichten nicht" in shown
    assert "von wann bis wann, mit der Zeitzone" in shown
    call = ApiCaller("ops")
    body = {**PLACE, "team": None, "subject": "x", "body": wrong["body"]}
    for address in ("/api/message-templates", "/api/message-templates/preview"):
        (error,) = call.post(address, body, Accept_Language="de").json()["errors"]
        assert error["message"].startswith("line 1, column 17: tittle: these messages have no such value: ")
    begun = call.get("/api/message-templates/starter?kind=reminder&channel=sms", Accept_Language="de").json()
    assert {"title": "what is to be done", "replies": "where an SMS can be answered"}.items() <= {
        one["name"]: one["description"] for one in begun["values"]
    }.items()


HOSTILE = {
    "a loop": "{% for a in b %}" * 500,
    "braces that do not end": "{{" * 45_000,
    "tags that do not end": "{%" * 45_000,
    "attributes": "{{ title.__class__.__mro__ }}{{ settings.SECRET_KEY }}",
    "calls": "{{ title.upper() }}{{ request.user }}",
    "many filters": "{{ title" + "|upper" * 15_000 + " }}",
    "conditions inside of each other": "{% if title %}" * 6_000,
    "a long condition": "{% if " + "title and " * 9_000 + "title %}x{% endif %}",
    "a long name": "{{ " + "a" * 90_000 + " }}",
    "an include": '{% include "/etc/passwd" %}{% load os %}{% debug %}',
    "a megabyte": "{{ time_line }}" + "x" * 1_000_000,
    "an argument without bounds": "{{ title|truncate:99999999999999999999 }}",
    "comments that do not end": "{#" * 45_000,
    "lines": "\n" * 90_000,
    "unknown names": ("{% if " + "zz or " * 14 + "zz %}{% endif %}") * 200,
    "NUL": "{{ time_line }}\x00",
}


@pytest.mark.no_cover
def test_hostile_texts_are_refused_in_bounded_time_by_page_and_call(olga):
    call = ApiCaller("ops")
    slow = {}
    for name, body in HOSTILE.items():
        begun = process_time()
        answers = [
            save(olga, body=body),
            olga.post(f"{LIST}/preview", {**TEXT, "body": body}),
            call.post("/api/message-templates", {**PLACE, "team": None, "body": body}),
            call.post("/api/message-templates/preview", {**PLACE, "team": None, "body": body}),
        ]
        statuses = [one.status_code for one in answers]
        assert statuses == [400, 200, 400, 400], (name, statuses)
        slow[name] = process_time() - begun
    assert not MessageTemplate.objects.exists()
    assert max(slow.values()) < 2, slow
    assert message_templates.MOST_OCTETS == 100_000
