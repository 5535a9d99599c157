"""What is known of a person is written out whole, and nothing of anybody else with it."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from assignments import contact_points, merging, services
from reminders.ledger import archive, audit, opt_outs
from reminders.models import (
    ArchivedReminder,
    DeliveryEvent,
    Kind,
    OptOut,
    Reminder,
    SmsReply,
    State,
    Verification,
)
from reminders.operations import contact_points as operated
from tests import acting
from tests.factories import NOON, AssigneeFactory, AssignmentFactory

pytestmark = pytest.mark.django_db
DAYS_90 = timedelta(days=90)


@pytest.fixture
def ada(clock):
    clock.set(NOON)
    return AssigneeFactory(
        name="Ada Lovelace", reference="P-1", email="ada@example.test", phone="+4930123456"
    )


@pytest.fixture
def ben(clock):
    return AssigneeFactory(
        name="Ben Zweitmann", reference="P-2", email="ben@example.test", phone="+4930987654"
    )


def exported(pk: int | str) -> dict:
    out = StringIO()
    call_command("export_person", pk, stdout=out)
    answer: dict = json.loads(out.getvalue())
    return answer


def sent(**wanted):
    work = AssignmentFactory(scheduled_start=NOON + timedelta(hours=1), **wanted)
    row = Reminder.objects.get(assignment=work, kind=Kind.REMINDER)
    Reminder.objects.filter(pk=row.pk).update(
        state=State.SENT, sent_at=NOON, closed_at=NOON, begun_at=NOON, attempts=1
    )
    return work, row


def test_the_command_takes_a_reference_too(ada, ben):
    assert exported("P-2")["person"]["id"] == exported(ben.pk)["person"]["id"] == ben.pk
    with pytest.raises(CommandError, match="there is no person with this reference or id"):
        exported("P-3")


def test_somebody_of_whom_little_is_known(ada):
    answer = exported(ada.pk)
    assert answer["person"]["name"] == "Ada Lovelace"
    assert (answer["person"]["calendar_number"], answer["person"]["calendar_revoked_at"]) == (0, None)
    assert [point["address"] for point in answer["contact_points"]] == ["ada@example.test", "+4930123456"]
    for empty in ("assignments", "messages", "acts", "opt_outs", "verifications", "sms_replies", "audit"):
        assert answer[empty] == [], empty


def test_everything_that_is_kept_of_a_person_is_in_it(ada, config):
    work, row = sent(assignee=ada, title="Gate 4")
    acting.decline(work, note="I am ill")
    point = contact_points.points_of(ada.pk)[0]
    DeliveryEvent.objects.create(
        reminder=row, at=NOON, kind="delivered", source="dsn", external_id="1", detail="250 ok"
    )
    opt_outs.opt_out(ada.pk, "default", via=OptOut.Via.PAGE, config=config)
    Verification.objects.create(
        contact_point=point, address_key="hidden", by="olga", expires_at=NOON, outcome="accepted"
    )
    SmsReply.objects.create(sid="s1", contact_point=point.pk, outcome="taken")
    operated.add(ada.pk, "email", "home@example.test", by="olga", reason="she moved")
    answer = exported(ada.pk)
    [assignment] = answer["assignments"]
    assert (assignment["title"], assignment["answer_note"]) == ("Gate 4", "I am ill")
    message = next(one for one in answer["messages"] if one["id"] == row.pk)
    assert (message["kind"], message["state"], message["channel"]) == ("REMINDER", "SENT", "memory")
    assert [(one["kind"], one["detail"]) for one in message["delivery_events"]] == [("delivered", "250 ok")]
    assert [(one["act"], one["note"]) for one in answer["acts"]] == [("decline", "I am ill")]
    assert [one["rule"] for one in answer["opt_outs"]] == ["default"]
    assert [one["outcome"] for one in answer["verifications"]] == ["accepted"]
    assert [one["outcome"] for one in answer["sms_replies"]] == ["taken"]
    assert [(one["action"], one["reason"]) for one in answer["audit"]] == [("add_contact_point", "she moved")]
    assert "hidden" not in json.dumps(answer)


def test_what_was_sent_is_in_it_from_the_archive_too(ada, clock):
    work, row = sent(assignee=ada)
    acting.start(work.pk)
    acting.complete(work.pk)
    before = exported(ada.pk)["messages"]
    clock.set(NOON + DAYS_90 + timedelta(hours=2))
    archive.archive_batch(after=DAYS_90)
    assert ArchivedReminder.objects.filter(pk=row.pk).exists()
    assert exported(ada.pk)["messages"] == before
    assert [one["id"] for one in before] == [row.pk]


def test_nobody_else_is_named(ada, ben):
    theirs, row = sent(assignee=ada, title="Ada has it first")
    other, _ = sent(assignee=ben, title="Only of Ben")
    acting.decline(other, note="Ben is ill")
    operated.add(ben.pk, "email", "ben.home@example.test", by="olga", reason="Ben has moved")
    audit.record("reset", by="olga", reason="both", before={str(theirs.pk): {}, str(other.pk): {"x": "Ben"}})
    services.reassign(theirs.pk, assignee_id=ben.pk)
    answer = exported(ada.pk)
    assert answer["assignments"] == []
    assert row.pk in [one["id"] for one in answer["messages"]]
    text = json.dumps(answer)
    for secret in ("Ben", "ben@", "+4930987654", "Only of", "olga"):
        assert secret not in text, secret


def test_the_audit_tells_of_work_only_what_is_theirs(ada, ben):
    mine, _ = sent(assignee=ada)
    other, _ = sent(assignee=ben)
    audit.record("reset", by="olga", reason="Ben", before={str(mine.pk): {}, str(other.pk): {"x": "Ben"}})
    [entry] = exported(ada.pk)["audit"]
    assert entry == {"action": "reset", "at": entry["at"], "assignments": [mine.pk]}


def test_who_was_merged_into_them_is_in_it_and_is_not_asked_for(ada, ben):
    _, row = sent(assignee=ben)
    merging.merge_people(ada.pk, ben.pk)
    answer = exported(ada.pk)
    assert [one["reference"] for one in answer["person"]["merged"]] == ["P-2"]
    assert row.pk in [one["id"] for one in answer["messages"]]
    with pytest.raises(CommandError, match=f"was merged into person {ada.pk}"):
        exported(ben.pk)
    with pytest.raises(CommandError, match="there is no person with this reference or id"):
        exported(4711)
