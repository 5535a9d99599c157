"""What a reminder would say as an SMS, before anything is sent."""

import json
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from assignments.models import Assignment
from assignments.teams import add_team
from reminders.insight.sms_preview import preview
from reminders.operations.message_templates import save_template
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.sms_stage import ANN, SmsStage, sms_stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage(clock):
    with sms_stage() as found:
        yield found


def shown(*words: str) -> str:
    out = StringIO()
    call_command("preview_sms", *words, stdout=out)
    return out.getvalue()


def test_the_preview_is_what_is_sent_then(stage: SmsStage):
    work = AssignmentFactory(soon=True, assignee=AssigneeFactory(email="", phone=ANN), notes="Ring twice.")
    found = preview(Assignment.objects.get(pk=work.pk), now=NOON)
    stage.tick()
    assert found.text == stage.gateway.taken[0].body
    assert (found.encoding, found.segments) == ("GSM-7", 1)


def test_the_command_says_what_it_takes(stage):
    work = AssignmentFactory(soon=True, title="Лифт", reference="W-1")
    first, _, text = shown("W-1").partition("\n\n")
    said = re.fullmatch(r"UCS-2, (\d+) characters, (\d) segments", first)
    assert said is not None
    characters, segments = map(int, said.groups())
    # Ids are in the link: with long ones it takes a segment more.
    assert characters > 70
    assert segments == -(-characters // 67)
    assert text.startswith("Reminder: Лифт, Mon 15 Jun, 14:10\nReply YES, NO or STOP\n")
    answer = json.loads(shown(str(work.pk), "--json"))
    assert (answer["encoding"], answer["segments"], answer["text"]) == (
        "UCS-2",
        segments,
        text.rstrip("\n"),
    )


def test_who_is_to_get_it_must_be_known(stage):
    work = AssignmentFactory(unassigned=True)
    with pytest.raises(
        CommandError, match=f"nobody is assigned to assignment {work.pk}: assign somebody first"
    ):
        shown(str(work.pk))
    with pytest.raises(CommandError):
        shown("W-0")


def test_the_preview_has_the_text_that_the_team_has_written(stage):
    team = add_team(name="North")
    person = AssigneeFactory(email="", phone=ANN, language="de-AT", team_id=team.pk)
    work = AssignmentFactory(soon=True, assignee=person, title="Lift")
    for team_id, body in ((None, "Alle: "), (team.pk, "Nord: ")):
        save_template(
            kind="reminder",
            channel="sms",
            language="de",
            team_id=team_id,
            subject="",
            body=body + "{{ title }} {{ start_short }} {{ zone }} {{ link }}",
            by="olga",
        )
    said = shown(str(work.pk))
    assert said.startswith("GSM-7, ")
    assert "segment, version 1 of the text “Reminder, SMS, de, team North”\n\nNord: Lift " in said
    stage.tick()
    assert stage.gateway.taken[0].body == said.partition("\n\n")[2].rstrip("\n")
