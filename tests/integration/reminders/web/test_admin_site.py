"""The admin is a part of the same product: head, groups, zone and links as on the Ops pages; who may add and change."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts import preferences, roles
from accounts.limits import limit_user
from assignments.models import Assignee, Assignment, Erasure, Team
from config import urls
from reminders.models import MessageTemplate, Reminder, TemplateVersion
from reminders.web.admin.column_names import COLUMNS, MODELS
from reminders.web.admin.contents import CONTENTS, tables
from reminders.web.admin.labels import LABELS
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller
from tests.integration.reminders.web.test_admin import filled, page, said
from tests.logins import signed_in, staff

pytestmark = pytest.mark.django_db

OURS = ("assignments", "reminders", "access")
NO_POINTS = {"contact_points-TOTAL_FORMS": "0", "contact_points-INITIAL_FORMS": "0"}


def text_of(client, url):
    response = client.get(url)
    assert response.status_code == 200, url
    return response.content.decode()


def head_of(html):
    """The head of a page without what says which page it is."""
    head = re.search(r'<header class="top">.*?</header>', html, re.DOTALL)
    assert head is not None
    return re.sub(r' aria-current="\w+"|name="csrfmiddlewaretoken" value="\w+"|\?back=[^"]*', "", head[0])


# --- one product ---


def test_every_page_has_the_head_of_the_ops_pages(operator, clock):
    work = AssignmentFactory()
    head = head_of(text_of(operator, reverse("ops:explain", args=[work.pk])))
    for url in (
        reverse("admin:index"),
        page(Assignment),
        page(Assignment, "change", work.pk),
        page(Assignment, "add"),
        page(Assignment, "history", work.pk),
    ):
        assert head_of(text_of(operator, url)) == head, url


def test_assignments_and_people_come_first(operator, clock):
    groups = operator.get(reverse("admin:index")).context["app_list"]
    assert [group["name"] for group in groups] == ["Work", "Reminders", "Operation"]
    assert [row["name"] for row in groups[0]["models"]] == ["Assignments", "People", "Teams", "Calendars"]
    links = re.search(r'<nav class="admin-pages".*?</nav>', text_of(operator, page(Assignee)), re.DOTALL)[0]
    assert re.findall(r">([\w ]+)</a>", links) == [
        *("Admin", "Assignments", "People", "Teams", "Calendars", "Reminder rules", "Reminders"),
    ]


def test_tables_of_packages_are_shown_to_superusers_who_ask(root, operator, clock):
    def shown(client, query):
        groups = client.get(reverse("admin:index") + query).context["app_list"]
        return {row["object_name"] for group in groups for row in group["models"]}

    packages = {"ClockedSchedule", "CrontabSchedule", "IntervalSchedule", "SolarSchedule"}
    assert shown(root, "") & packages == set()
    assert shown(root, "?all=1") >= packages
    assert shown(operator, "?all=1") & packages == set()
    assert root.get("/admin/django_celery_beat/crontabschedule/").status_code == 200


def test_every_table_of_ours_has_its_place():
    assert urls.urlpatterns  # They register the tables.
    registered = {model._meta.label_lower for model in admin.site._registry if model._meta.app_label in OURS}
    assert registered == {label for label, _ in tables() if label.split(".")[0] in OURS}
    assert all(apps.get_model(label) in admin.site._registry for label, _ in tables())
    assert len(dict(tables())) == sum(len(group) for _, group in CONTENTS)


def test_an_erasure_is_shown_without_what_is_looked_for(viewer, clock):
    person = AssigneeFactory(name="Imogen Thrale")
    words = {"names": ["Imogen Thrale"]}
    Erasure.objects.create(person=person, at=NOON, words=words, after=words, counts={"assignments_act": 7})
    for url in (page(Erasure), page(Erasure, "change", person.pk)):
        shown = text_of(viewer, url)
        assert f"erased-person-{person.pk}" in shown
        assert "Imogen" not in shown
    assert "&quot;assignments_act&quot;: 7" in shown


def test_a_message_template_is_shown_with_its_versions(viewer, operator, clock):
    template = MessageTemplate.objects.create(
        kind="reminder", channel="email", language="de", active_number=2
    )
    for number in (1, 2):
        TemplateVersion.objects.create(
            template=template, number=number, body=f"Text {number}", made_by="olga"
        )
    for client in (viewer, operator):
        shown = text_of(client, page(MessageTemplate, "change", template.pk))
        assert f'href="/ops/templates/{template.pk}"' in shown
        assert shown.index("Text 2") < shown.index("Text 1")
        assert "<textarea" not in shown


def test_an_assignment_leads_to_its_reason_and_back(viewer, operator, clock):
    work = AssignmentFactory()
    why, own = reverse("ops:explain", args=[work.pk]), page(Assignment, "change", work.pk)
    for client in (viewer, operator):
        assert f'<a class="main" href="{why}">Why this reminder?</a>' in text_of(client, own)
        assert f'href="{own}"' in text_of(client, why)
    person = work.assignee
    known, own = reverse("ops:person", args=[person.pk]), page(Assignee, "change", person.pk)
    for client in (viewer, operator):
        assert f'href="{known}"' in text_of(client, own)
        assert f'href="{own}"' in text_of(client, known)


def test_fields_are_named_in_the_language_of_the_reader(operator, clock):
    work = AssignmentFactory()
    shown = operator.get(page(Assignment, "change", work.pk), headers={"accept-language": "de"})
    labels = re.findall(r"<label[^>]*>([^<]+):</label>", shown.content.decode())
    assert {"Titel", "Ort", "Status", "Geplanter Beginn", "Erinnerungsstatus", "Begonnen"} <= {*labels}


def test_every_column_filter_and_field_of_our_tables_has_a_name():
    unnamed = set()
    for model, pages in admin.site._registry.items():
        if model._meta.app_label in OURS:
            columns = [pages.list_display, pages.list_filter, pages.readonly_fields, pages.fields or ()]
            shown = {one[0] if isinstance(one, tuple) else one for group in columns for one in group}
            fields = {one.name for one in model._meta.get_fields()}
            unnamed |= {
                f"{model.__name__}.{name}"
                for name in shown & fields
                if name not in LABELS and name not in COLUMNS
            }
            assert model._meta.label_lower in MODELS
    assert unnamed - {"ScanRun.id"} == set()


def test_lists_messages_and_refusals_are_in_the_language_of_the_reader(operator, clock):
    work = AssignmentFactory()
    french = {"accept-language": "fr"}
    shown = operator.get(page(Assignment, "changelist"), headers=french).content.decode()
    heads = [text.strip() for text in re.findall(r"<a href=[^>]*>([^<]+)</a></div>", shown)]
    assert {"Titre", "Début", "Statut"} <= {*heads}
    assert "Par début" in re.sub(r"\s+", " ", shown)
    ledger = operator.get(page(Reminder, "changelist"), headers={"accept-language": "de"}).content.decode()
    assert "Empfänger" in ledger
    person = {"name": "Ann", "language": "en", "time_zone": "UTC", "email": "ann@example.test", **NO_POINTS}
    person |= {"reference": work.assignee.reference or "P-1"}
    Assignee.objects.filter(pk=work.assignee_id).update(reference=person["reference"])
    refused = operator.post(page(Assignee, "add"), person, headers={"accept-language": "de"})
    assert "Person mit diesem Wert für das Feld Referenz existiert bereits" in refused.content.decode()
    called = ApiCaller("write").post(
        "/api/people", {"name": "Ann", "reference": person["reference"]}, accept_language="de"
    )
    assert called.json()["errors"][0]["message"] == "Person with this Reference already exists."


def test_work_that_is_being_entered_has_no_ledger(operator, clock, run):
    assert "ledger" not in text_of(operator, page(Assignment, "add"))
    work = AssignmentFactory(soon=True)
    run()
    shown = operator.get(page(Assignment, "change", work.pk))
    assert [one.opts.model for one in shown.context["inline_admin_formsets"]] == [Reminder]


# --- times ---


@pytest.fixture
def traveller(clock):
    """An operator who reads times in Tokyo."""
    user = staff("tora", roles.OPERATORS)
    preferences.set_time_zone(user, "Asia/Tokyo")
    return signed_in(user)


def test_each_time_field_names_the_zone_of_the_reader(traveller, operator, clock):
    work = AssignmentFactory(scheduled_end=NOON + timedelta(hours=3))
    own = page(Assignment, "change", work.pk)
    for client, zone, start in ((traveller, "Asia/Tokyo", "22:00:00"), (operator, "UTC", "13:00:00")):
        html = text_of(client, own)
        assert html.count(f'<span class="zone">{zone}</span>') == 2
        assert f'value="{start}"' in html
        assert f'Times are in <a href="{reverse("ops:settings")}">{zone}</a>' in html
    assert "2026-06-15 21:00:00 JST" in text_of(traveller, own)  # created_at, which nobody can write


def test_times_are_read_in_the_zone_of_the_reader(traveller, clock):
    work = AssignmentFactory()
    local = {"scheduled_start_0": "2026-06-15", "scheduled_start_1": "22:00:00"}
    own = page(Assignment, "change", work.pk)
    assert traveller.post(own, filled(traveller, work, **local, title="Other")).status_code == 302
    work.refresh_from_db()
    assert (work.title, work.version, work.scheduled_start) == ("Other", 1, NOON + timedelta(hours=1))
    local["scheduled_start_1"] = "23:30:00"
    assert traveller.post(own, filled(traveller, work, **local)).status_code == 302
    work.refresh_from_db()
    assert work.scheduled_start == NOON + timedelta(hours=2, minutes=30)


# --- the end follows the start ---


def moved(client, work, **sent):
    response = client.post(page(Assignment, "change", work.pk), filled(client, work, **sent), follow=True)
    work.refresh_from_db()
    return response, work.scheduled_start, work.scheduled_end


@pytest.mark.parametrize(
    ("start", "end"),
    [("15:00:00", None), ("15:00:00", "17:00:00"), ("12:30:00", None), ("12:30:00", "14:30:00")],
    ids=["later", "later, and moved by the page", "earlier", "earlier, and moved by the page"],
)
def test_a_start_that_is_moved_takes_the_end_along(operator, clock, start, end):
    work = AssignmentFactory(scheduled_end=NOON + timedelta(hours=3))
    sent = {"scheduled_start_1": start, **({"scheduled_end_1": end} if end else {})}
    response, begins, ends = moved(operator, work, **sent)
    assert f"{begins:%H:%M:%S}" == start
    assert ends - begins == timedelta(hours=2)
    assert said(response)[0] == f"The end was moved along with the start, to {ends:%Y-%m-%d %H:%M:%S} UTC."


def test_the_end_stays_where_that_is_asked(operator, clock):
    work = AssignmentFactory(scheduled_end=NOON + timedelta(hours=3))
    _, begins, ends = moved(operator, work, scheduled_start_1="14:00:00", end_stays="on")
    assert (begins, ends) == (NOON + timedelta(hours=2), NOON + timedelta(hours=3))


def test_another_end_is_taken_as_it_is_written(operator, clock):
    work = AssignmentFactory(scheduled_end=NOON + timedelta(hours=3))
    _, begins, ends = moved(operator, work, scheduled_start_1="14:00:00", scheduled_end_1="18:15:00")
    assert (begins, ends) == (NOON + timedelta(hours=2), NOON + timedelta(hours=6, minutes=15))


def test_over_a_change_of_clocks_the_work_takes_as_long_as_before(operator, clock, settings):
    """23:00 to 02:00 in Berlin is three hours, but four in the night in which clocks are put back."""
    settings.TIME_ZONE = "Europe/Berlin"
    begin = datetime(2026, 10, 23, 21, tzinfo=UTC)
    work = AssignmentFactory(scheduled_start=begin, scheduled_end=begin + timedelta(hours=5))
    local = {"scheduled_end_1": "04:00:00", "scheduled_start_1": "23:00:00"}
    local |= {"scheduled_start_0": "2026-10-24", "scheduled_end_0": "2026-10-25"}  # as the page moves it
    _, begins, ends = moved(operator, work, **local)
    assert (begins, ends - begins) == (begin + timedelta(days=1), timedelta(hours=5))


# --- who may add and change ---


def new_work(**changes):
    empty = (
        "reference",
        "kind",
        "location",
        "notes",
        "team",
        "scheduled_end_0",
        "scheduled_end_1",
        "lead_minutes",
    )
    return {
        **dict.fromkeys(empty, ""),
        "title": "New",
        "scheduled_start_0": "2026-06-15",
        "scheduled_start_1": "13:00:00",
        **changes,
    }


def test_operators_add_work_people_and_teams(operator, clock):
    person = {"name": "Ann", "language": "en", "time_zone": "UTC", "email": "ann@example.test", **NO_POINTS}
    assert operator.post(page(Assignee, "add"), person).status_code == 302
    ann = Assignee.objects.get(name="Ann")
    team = {"name": "North", "time_zone": "UTC", "supervisors": [ann.pk]}
    assert operator.post(page(Team, "add"), team).status_code == 302
    north = Team.objects.get(name="North")
    assert list(north.supervisors.all()) == [ann]
    assert operator.post(page(Assignment, "add"), new_work(assignee=ann.pk, team=north.pk)).status_code == 302
    work = Assignment.objects.get(title="New")
    assert (work.assignee_id, work.team_id, work.known_at) == (ann.pk, north.pk, NOON)
    assert Reminder.objects.filter(assignment=work).count() == 1


def test_who_is_limited_to_teams_adds_within_them_alone(clock):
    north, south = Team.objects.create(name="North"), Team.objects.create(name="South")
    user = staff("nora", roles.OPERATORS)
    limit_user(user, [north.pk], by="root")
    nora = signed_in(user)
    ours, theirs = AssigneeFactory(team_id=north.pk), AssigneeFactory(team_id=south.pk)
    hidden = AssignmentFactory(assignee=theirs, title="Theirs")
    assert nora.post(page(Assignment, "add"), new_work(assignee=ours.pk)).status_code == 302
    assert Assignment.objects.get(title="New").team_id in (None, north.pk)
    refused = nora.post(page(Assignment, "add"), new_work(assignee=theirs.pk, title="Not ours"))
    assert list(refused.context["adminform"].form.errors) == ["assignee"]
    refused = nora.post(page(Assignment, "add"), new_work(assignee=ours.pk, team=south.pk, title="Not ours"))
    assert list(refused.context["adminform"].form.errors) == ["team"]
    assert not Assignment.objects.filter(title="Not ours").exists()
    assert "Theirs" not in text_of(nora, page(Assignment))
    assert nora.get(page(Assignment, "change", hidden.pk), follow=True).context["title"] == "Admin"
    assert nora.post(page(Team, "add"), {"name": "West", "time_zone": "UTC"}).status_code == 403
    offered = set(re.findall(r'href="(/admin/\w+/[^"?]*)"', text_of(nora, reverse("admin:index"))))
    assert page(Assignment) in offered
    assert {url: nora.get(url).status_code for url in offered} == dict.fromkeys(offered, 200)


def test_what_was_written_is_not_lost_when_a_session_ends_meanwhile(clock):
    def send(**values):
        form = "application/x-www-form-urlencoded"
        return Client().post(page(Assignment, "add"), urlencode(values), content_type=form)

    kept = send(title="Grease the door")
    assert (kept.status_code, "Grease the door</textarea>" in kept.content.decode()) == (401, True)
    assert send(title="Grease the door", password1="a b").status_code == 302


def everything_stored():
    """Each row of every table, but those that a request for a page writes by itself."""
    return {
        model._meta.label: sorted(map(str, model._base_manager.values_list()))
        for model in apps.get_models()
        if model._meta.label not in ("sessions.Session", "access.Allowance", "reminders.Statistics")
    }


def test_a_viewer_changes_nothing_on_any_page(viewer, clock, run):
    work = AssignmentFactory(soon=True, assignee__team_id=Team.objects.create(name="North").pk)
    run()
    before = everything_stored()
    forms = 0
    for model, model_admin in admin.site._registry.items():
        row = model._base_manager.first()
        key = row.pk if row else 1
        listed = [page(model), page(model, "add"), page(model, "change", key), page(model, "delete", key)]
        actions = [name for name in (model_admin.actions or ()) if isinstance(name, str)]
        for url in listed:
            for action in (*actions, "delete_selected"):
                sent = {
                    **new_work(title="Changed", name="Changed", assignee=work.assignee_id, reason="x"),
                    "action": action,
                    "_selected_action": [key],
                    "post": "yes",
                    "confirmed": "1",
                    "_save": "Save",
                    "enabled": "on",
                    "until": "",
                    **NO_POINTS,
                }
                answered = viewer.post(url, sent)
                forms += 1
                assert answered.status_code in (302, 403, 404) or b'name="_save"' not in answered.content, url
    assert forms > 4 * len(admin.site._registry) - 1
    assert everything_stored() == before
