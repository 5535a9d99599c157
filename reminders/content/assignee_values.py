"""What a message to an assignee says of the work that it is about: values for the templates."""

from dataclasses import replace
from datetime import datetime, timedelta

from assignments.direction import isolated
from notifications.channels.sms.alphabet import unaccented
from reminders.content import links, opt_out_links
from reminders.content.dates import local_time, relative_time, time_line
from reminders.content.links import Link
from reminders.ledger.records import Claim, Digest
from reminders.models import Kind
from reminders.policy import recipients
from reminders.policy.announcements import PlanDifference
from reminders.policy.digests import MOST_LISTED
from reminders.policy.rows import News

LATE_AFTER = timedelta(minutes=2)
"""A reminder that leaves later than this says that it is late: one that waits for others to be joined is not."""


def assignee_values(claim: Claim, *, zone: str, language: str, now: datetime) -> dict[str, str]:
    """What a message to an assignee, present or former, says of the work."""
    facts = claim.facts
    changed = changed_values(claim.plan.news, zone=zone, language=language, now=now)
    if claim.row.is_correction and claim.announced is not None and not claim.announced.theirs:
        # To whom the work does not belong any more, nothing of the plan in force is told.
        facts = replace(facts, location="", notes="", kind="", reference="", end=None)
    row = claim.row
    assignee_id = recipients.assignee_id_of(row.recipient)
    link = unsubscribe = ""
    if assignee_id is not None:
        link = links.url_of(Link(row.assignment_id, assignee_id, row.version))
        if row.kind is Kind.REMINDER and not claim.mandatory:
            unsubscribe = opt_out_links.url_of(assignee_id, row.rule)
    may_answer = bool(link) and now < facts.start
    is_late = not changed and now - max(row.due_at, row.planned_at) > LATE_AFTER
    return {
        "name": isolated(facts.assignee_name),
        "title": isolated(" ".join(facts.title.split())),
        "kind": isolated(facts.kind),
        "location": isolated(facts.location),
        "map": links.map_url(facts.location),
        "notes": isolated(facts.notes),
        "reference": isolated(facts.reference),
        "time_line": time_line(facts.start, facts.end, zone, language, now=now),
        "when": relative_time(facts.start - now, language),
        "link": link,
        "unsubscribe": unsubscribe,
        "asks": "yes" if may_answer and not claim.plan.confirmed else "",
        "has_confirmed": "yes" if may_answer and claim.plan.confirmed else "",
        "late": "yes" if is_late else "",
        **changed,
    }


def reminders_listed(
    claim: Claim, digest: Digest, *, zone: str, language: str, now: datetime
) -> tuple[list[dict[str, str]], dict[str, str]]:
    """What an assignee reads of each assignment, the next one first, and of all of them.

    Where all are of one rule, its reminders can be stopped once for all; else those of each rule beside its work.
    """
    begun = {one.row.id: one for one in claim.message}
    unknown = replace(claim.plan, news=None, confirmed=False)
    listed = sorted(digest.entries, key=lambda entry: (entry[1].start, entry[0].id))
    entries = [
        assignee_values(
            begun.get(row.id)
            or replace(claim, row=row, facts=facts, plan=unknown, announced=None, digest=None),
            zone=zone,
            language=language,
            now=now,
        )
        for row, facts in listed[:MOST_LISTED]
    ]
    for entry, (_, facts) in zip(entries, listed, strict=False):
        entry["notes"] = entry["notes"].replace("\n", "\n          ")  # below the first line
        start = local_time(facts.start, zone, language, long=False)
        entry["in_short"] = f"{entry['title']}, {unaccented(start)}"
    stops = {entry["unsubscribe"] for entry in entries}
    if len(stops) == 1:
        entries = [{**entry, "unsubscribe": ""} for entry in entries]
    return entries, {
        "name": isolated(claim.facts.assignee_name),
        "first_start": local_time(listed[0][1].start, zone, language, long=False),
        "link": entries[0]["link"],
        "unsubscribe": stops.pop() if len(stops) == 1 else "",
    }


def changed_values(news: News | None, *, zone: str, language: str, now: datetime) -> dict[str, str]:
    """What of the plan is not as the reader was told, as values for the templates; empty where nothing is.

    `is_<change>` for each `Change`, what was announced (`was_...`), and `moved_from` and `moved_to` without the day where
    it is the same.
    """
    told = news.outdated if news else None
    if news is None or told is None:
        return {}
    title = told.title if told.title is not None else news.present.title
    values = {f"is_{change.value}": "yes" for change in news.changes}
    values["was_title"] = isolated(" ".join((title or "").split()))
    values["was_time_line"] = time_line(told.start, None, zone, language, now=now)
    values["was_start_short"] = local_time(told.start, zone, language, long=False)
    if PlanDifference.PLACE in news.changes:
        values["was_place"] = isolated(told.place or "")
    if PlanDifference.MOVED in news.changes:
        values["moved_from"] = values["was_start_short"]
        values["moved_to"] = local_time(news.present.start, zone, language, long=False)
        day_from, _, time_from = values["moved_from"].rpartition(", ")
        day_to, _, time_to = values["moved_to"].rpartition(", ")
        if day_from == day_to:
            values["moved_from"], values["moved_to"] = time_from, time_to
    return values
