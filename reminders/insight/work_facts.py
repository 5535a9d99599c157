"""What a message about an assignment may say of it now, for previews: the same as for a row that is begun."""

from assignments.models import Assignment
from assignments.teams import effective_team
from reminders.ledger.records import Facts, TeamContact


def facts_of(work: Assignment) -> Facts:
    """Reads team and assignee, as far as they are not there yet."""
    person, team = work.assignee, effective_team(work)
    return Facts(
        title=work.title,
        kind=work.kind,
        location=work.location,
        notes=work.notes,
        reference=work.reference or "",
        start=work.scheduled_start,
        end=work.scheduled_end,
        assignee_name=person.name if person else "",
        assignee_email=person.email if person else "",
        assignee_phone=person.phone if person else "",
        assignee_zone=person.time_zone if person else "UTC",
        assignee_language=person.language if person else "",
        answer_note=work.answer_note,
        answered_at=work.answered_at,
        expected_start=work.expected_start,
        overdue_at=work.overdue_at,
        team_contact=TeamContact(team.organisation, team.phone, team.reply_to) if team else TeamContact(),
        team_id=team.pk if team else None,
        visible_changes=work.visible_changes,
    )
