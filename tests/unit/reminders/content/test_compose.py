"""What a message says: in the reader's zone, safe in HTML, honest about being late."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from assignments.direction import isolated
from notifications.channels.sms.alphabet import size
from notifications.message import Contact
from reminders.content import compose, dates, links, opt_out_links
from reminders.content.links import Link
from reminders.ledger.records import Claim, Digest, Facts, TeamContact
from reminders.models import Kind, State
from reminders.policy.rows import Plan, Row
from tests.sample_rows import sample_row

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
START = NOON + timedelta(minutes=30)
FACTS = Facts(
    title="Repair <lift>",
    kind="Repair",
    location="Hall & yard",
    notes="Ring twice.\nThen wait.",
    reference="A-17",
    start=START,
    end=START + timedelta(hours=2),
    assignee_name="Ana Müller",
    assignee_email="ana@example.test",
    assignee_phone="",
    assignee_zone="Europe/Berlin",
    assignee_language="en",
)
ROW = sample_row(due_at=NOON, state=State.SENDING)
CLAIM = Claim(
    row=ROW,
    plan=Plan(version=1, status="SCHEDULED", scheduled_start=START, recipient="assignee:3"),
    facts=FACTS,
    number=1,
    begun_at=NOON,
)
ANA = compose.assignee_contact(FACTS)
PLAIN = compose.compose(
    replace(CLAIM, facts=replace(FACTS, title="Plain")), contact=ANA, address="a@example.test", now=NOON
)


def test_a_reminder_names_the_work_the_place_and_the_local_time():
    message = compose.compose(CLAIM, contact=ANA, address="ana@example.test", now=NOON)
    assert message.subject == "Reminder: Repair <lift>, Mon 15 Jun, 14:30"
    assert message.text == (
        "Hello Ana Müller,\n"
        "\n"
        "Repair <lift> starts in 30 minutes.\n"
        "\n"
        "When:   Mon 15 Jun, 14:30 to 16:30 (Berlin time)\n"
        "Where:  Hall & yard\n"
        "What:   Repair\n"
        "Number: A-17\n"
        "\n"
        "Ring twice.\n"
        "Then wait.\n"
        "\n"
        "You get this message because this work is assigned to you.\n"
        "\n"
    )
    assert "Repair &lt;lift&gt;" in message.html
    assert "Hall &amp; yard" in message.html


def test_a_late_reminder_says_so():
    message = compose.compose(
        CLAIM, contact=ANA, address="ana@example.test", now=START + timedelta(minutes=5)
    )
    assert message.subject.startswith("Late reminder: ")
    assert "started 5 minutes ago" in message.text
    assert "this reminder comes late" in message.html


def test_an_overdue_notice_names_who_and_when():
    claim = replace(CLAIM, row=replace(ROW, kind=Kind.OVERDUE, recipient="ops:0"))
    message = compose.compose(
        claim, contact=Contact(name="", email="o@example.test"), address="o@example.test", now=NOON
    )
    assert message.subject == "Overdue: Repair <lift>, Mon 15 Jun, 12:30 (UTC)"
    assert "Who:    Ana Müller" in message.text


def test_a_supervisor_is_told_in_which_zone_the_start_is():
    claim = replace(CLAIM, row=replace(ROW, kind=Kind.OVERDUE, recipient="ops:abc"))
    boss = Contact(name="", email="o@example.test", time_zone="America/New_York")
    message = compose.compose(claim, contact=boss, address="o@example.test", now=NOON)
    assert message.subject == "Overdue: Repair <lift>, Mon 15 Jun, 08:30 (New York time)"


@pytest.mark.parametrize("language", ["pt-br", "xx", "", "../en", "dex"])
def test_a_language_without_texts_gets_english_words_dates_and_header(language):
    message = compose.compose(
        CLAIM, contact=replace(ANA, language=language), address="a@example.test", now=NOON
    )
    assert (message.subject, message.language) == ("Reminder: Repair <lift>, Mon 15 Jun, 14:30", "en")
    assert message.text.startswith("Hello Ana")
    assert "When:   Mon 15 Jun, 14:30 to 16:30 (Berlin time)" in message.text


@pytest.mark.parametrize("language", ["de-at", "de", "de-AT", "DE_at", "de-Latn-AT"])
def test_dates_and_header_follow_the_language_that_the_text_is_in(language):
    """A reader of Austrian German gets the German text, with German dates, and is told that it is German."""
    message = compose.compose(
        CLAIM, contact=replace(ANA, language=language), address="a@example.test", now=NOON
    )
    assert "Mo, 15. Juni, 14:30 bis 16:30 (Ortszeit Berlin)\n" in message.text
    assert message.language == "de"


def test_whose_language_has_no_texts_is_written_to_in_that_of_the_installation(settings):
    settings.DEFAULT_LANGUAGE = "fr"
    message = compose.compose(CLAIM, contact=replace(ANA, language="sv"), address="a@example.test", now=NOON)
    assert "lun 15 juin, 14:30 à 16:30 (heure locale Berlin)\n" in message.text
    assert message.language == "fr"


OVERRIDE, FSI, PDI = "\u202e", "\u2068", "\u2069"
HEBREW = "\u05ea\u05d9\u05e7\u05d5\u05df"


def test_no_text_turns_around_what_is_written_after_it():
    facts = replace(
        FACTS,
        title=f"Repair {OVERRIDE}lift",
        location=f"{HEBREW} 5",
        notes=f"{HEBREW}\u2067\nRing twice.",
        assignee_name=f"Ana{OVERRIDE}",
    )
    message = compose.compose(
        replace(CLAIM, facts=facts),
        contact=compose.assignee_contact(facts),
        address="a@example.test",
        now=NOON,
    )
    assert (message.subject, message.name) == ("Reminder: Repair lift, Mon 15 Jun, 14:30", "Ana")
    assert f"Where:  {FSI}{HEBREW} 5{PDI}\n" in message.text
    assert f"\n{FSI}{HEBREW}{PDI}\nRing twice.\n" in message.text
    assert not set(message.subject + message.name + message.text + str(message.html)) & {OVERRIDE, "\u2067"}
    assert f">{FSI}{HEBREW} 5{PDI}</td>" in message.html


def test_a_title_from_right_to_left_is_isolated_in_the_subject():
    message = compose.compose(
        replace(CLAIM, facts=replace(FACTS, title=HEBREW)), contact=ANA, address="a@example.test", now=NOON
    )
    assert message.subject == f"Reminder: {FSI}{HEBREW}{PDI}, Mon 15 Jun, 14:30"


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(minutes=30), "starts in 30 minutes"),
        (timedelta(minutes=1), "starts in 1 minute"),
        (timedelta(seconds=20), "starts now"),
        (timedelta(minutes=-5), "started 5 minutes ago"),
        (timedelta(hours=5, minutes=50), "starts in 5 hours"),
        (timedelta(days=3, hours=23), "starts in 3 days"),
    ],
)
def test_how_long_is_left_in_words(left, words):
    assert dates.relative_time(left, "en") == words


@pytest.mark.parametrize(
    ("language", "ahead", "one", "behind", "planned"),
    [
        (
            "de",
            "beginnt in 30 Minuten",
            "beginnt in 1 Minute",
            "hat vor 3 Tagen begonnen",
            "sollte vor 2 Stunden beginnen",
        ),
        (
            "es",
            "empieza en 30 minutos",
            "empieza en 1 minuto",
            "empezó hace 3 días",
            "debía empezar hace 2 horas",
        ),
        (
            "fr",
            "commence dans 30 minutes",
            "commence dans 1 minute",
            "a commencé il y a 3 jours",
            "devait commencer il y a 2 heures",
        ),
    ],
)
def test_how_long_is_left_in_other_languages(language, ahead, one, behind, planned):
    assert dates.relative_time(timedelta(minutes=30), language) == ahead
    assert dates.relative_time(timedelta(minutes=1), language) == one
    assert dates.relative_time(timedelta(days=-3), language) == behind
    assert dates.relative_time(timedelta(hours=-2), language, planned=True) == planned


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd"])
def test_an_unknown_zone_is_shown_as_utc(zone):
    assert dates.local_time(START, zone, "en").endswith("(UTC)")


@given(st.text(st.characters(blacklist_categories=["Cs", "Co"]), min_size=1, max_size=60))
def test_whatever_a_title_holds_stays_text(title):
    claim = replace(CLAIM, facts=replace(FACTS, title=title))
    message = compose.compose(claim, contact=ANA, address="a@example.test", now=NOON)
    seen = isolated(" ".join(title.split()))
    assert message.subject == f"Reminder: {seen}, Mon 15 Jun, 14:30"
    assert escape(seen) in message.html
    assert message.html.count("<") == PLAIN.html.count("<")


# --- the link to the assignee's own page -----------------------------------------------------------------------


@pytest.fixture
def public_url(settings):
    settings.PUBLIC_URL = "https://reminders.example.test"


def test_a_reminder_links_to_the_assignees_own_page(public_url):
    message = compose.compose(CLAIM, contact=ANA, address="ana@example.test", now=NOON)
    address = links.url_of(Link(assignment_id=7, assignee_id=3, version=1))
    assert (
        "Then wait.\n"
        "\n"
        "Will you be there? Confirm it here, or say that you can't make it:\n"
        f"{address}\n"
        "\n"
        "You get this message because this work is assigned to you.\n"
    ) in message.text
    assert f'href="{address}#confirm"' in message.html
    assert f'href="{address}#decline"' in message.html
    assert (
        message.message_id
        == compose.compose(CLAIM, contact=ANA, address="b@example.test", now=NOON).message_id
    )


def test_without_a_public_url_a_reminder_has_no_link():
    message = compose.compose(CLAIM, contact=ANA, address="ana@example.test", now=NOON)
    assert "/a/" not in message.text + message.html
    assert "Will you be there" not in message.text + message.html


def test_who_has_confirmed_is_asked_no_more_and_may_still_say_that_they_cannot_come(public_url):
    claim = replace(CLAIM, plan=replace(CLAIM.plan, confirmed=True))
    message = compose.compose(claim, contact=ANA, address="ana@example.test", now=NOON)
    assert (
        "You have confirmed that you will be there. If you can't make it after all, say so here:\n"
        in message.text
    )
    assert "#confirm" not in message.html
    assert message.html.count("#decline") == 1


def test_after_the_start_a_reminder_asks_whether_the_work_has_begun(public_url):
    message = compose.compose(CLAIM, contact=ANA, address="ana@example.test", now=START)
    assert "Say here that you have started:\n" in message.text
    assert "#confirm" not in message.html
    assert "#decline" not in message.html


def test_supervisors_get_no_link(public_url):
    row = replace(ROW, kind=Kind.OVERDUE, recipient="ops:0123456789abcdef")
    message = compose.compose(replace(CLAIM, row=row), contact=ANA, address="ops@example.test", now=NOON)
    assert "/a/" not in message.text + message.html


NOTICE = replace(
    ROW, id=21, kind=Kind.OVERDUE, recipient="ops:1", due_at=START + timedelta(minutes=30), digest_id=21
)
CHIEF = Contact(name="", email="chief@example.test")


def digest_of(*entries: tuple[Row, Facts], waiting: int = 0) -> Claim:
    digest = Digest(lead=entries[0][0], entries=entries, members=(), waiting=waiting)
    return replace(CLAIM, row=entries[0][0], facts=entries[0][1], digest=digest)


def composed(claim: Claim):
    return compose.compose(claim, contact=CHIEF, address="chief@example.test", now=NOON)


TWO = digest_of(
    (NOTICE, replace(FACTS, assignee_phone="+49 (30) 12-34")),
    (
        replace(NOTICE, id=22, assignment_id=8),
        replace(FACTS, title="Nobody's\njob", assignee_name="", location="", reference=""),
    ),
)


def test_a_digest_lists_each_work_with_who_since_when_and_where_to_act(settings):
    settings.PUBLIC_URL = "https://plan.example"
    message = composed(TWO)
    assert message.subject == "Overdue: 2 assignments that nobody has started"
    assert message.text == (
        "Nobody has started these 2 assignments in time.\n"
        "\n"
        "Repair <lift>\n"
        "  Who:     Ana Müller, tel:+49301234\n"
        "  When:    Mon 15 Jun, 14:30 to 16:30 (Berlin time)\n"
        "  Overdue: since Mon 15 Jun, 15:00 (Berlin time)\n"
        "  Where:   Hall & yard\n"
        "  Number:  A-17\n"
        "  Ops:     https://plan.example/ops/assignments/7\n"
        "\n"
        "Nobody's job\n"
        "  Who:     nobody is assigned\n"
        "  When:    Mon 15 Jun, 14:30 to 16:30 (Berlin time)\n"
        "  Overdue: since Mon 15 Jun, 15:00 (Berlin time)\n"
        "  Ops:     https://plan.example/ops/assignments/8\n"
        "\n"
        "All that is overdue:\n"
        "https://plan.example/ops/assignments?show=overdue\n"
        "\n"
        "You get this message because your address is on the list of supervisors.\n"
    )
    assert '<a href="tel:+49301234" style="color:#1d5fa8">+49 (30) 12-34</a>' in message.html
    assert (
        '<a href="https://plan.example/ops/assignments/7" style="color:#1d5fa8">Repair &lt;lift&gt;</a>'
        in message.html
    )
    assert "Nobody&#x27;s job" in message.html


def test_each_work_of_a_digest_keeps_its_direction_to_itself():
    hebrew = "\u05ea\u05d9\u05e7\u05d5\u05df"
    message = composed(digest_of((NOTICE, replace(FACTS, title=hebrew, location=hebrew)), (NOTICE, FACTS)))
    assert message.text.count(f"{FSI}{hebrew}{PDI}") == 2
    assert message.text.count(hebrew) == 2


def test_a_digest_has_the_id_of_its_lead_whoever_sends_it():
    other = replace(TWO, row=replace(NOTICE, id=22, assignment_id=8))
    assert composed(other).message_id == composed(TWO).message_id == compose.message_id(NOTICE)


def test_a_digest_shows_the_first_ones_and_says_how_many_more_there_are():
    entries = [
        (replace(NOTICE, id=n, assignment_id=n), replace(FACTS, title=f"Job {n}")) for n in range(1, 251)
    ]
    message = composed(digest_of(*entries, waiting=7))
    assert message.subject == "Overdue: 250 assignments that nobody has started"
    assert message.text.count("  Who:     ") == 200
    assert "\nAnd 50 more.\n\nFurther notices are on their way: 7.\n" in message.text
    assert message.html.count("Overdue since") == 200
    assert len(message.text) + len(message.html) < 200_000


def test_a_digest_has_no_addresses_where_the_site_has_none(settings):
    settings.PUBLIC_URL = ""
    assert "http" not in composed(TWO).text


@pytest.mark.parametrize(
    ("phone", "url"),
    [
        ("+49 30 1234567", "tel:+49301234567"),
        ("(030) 12-34.5", "tel:03012345"),
        ("call the desk", ""),
        ("", ""),
        ("javascript:1", ""),
        ("12", ""),
    ],
)
def test_only_a_number_that_can_be_dialled_is_a_link(phone, url):
    assert links.tel_url(phone) == url


def test_addresses_of_the_ops_pages_are_those_of_the_site(settings):
    settings.PUBLIC_URL = "https://plan.example"
    assert links.ops_url(7) == "https://plan.example" + reverse("ops:explain", args=[7])
    assert links.overdue_list_url() == "https://plan.example" + reverse("ops:assignments") + "?show=overdue"


# --- whom to ask, and where it is ------------------------------------------------------------------------------


def test_a_mail_says_whom_to_ask(settings):
    settings.ORGANISATION_NAME, settings.ORGANISATION_PHONE = "Care & Co", "+49 30 12-34"
    message = compose.compose(CLAIM, contact=ANA, address="ana@example.test", now=NOON)
    assert message.text.endswith(
        "Questions? Call Care & Co, +49 30 12-34.\n"
        "\n"
        "You get this message because this work is assigned to you.\n"
        "Care & Co\n"
        "\n"
    )
    assert (
        'Call Care &amp; Co, <a href="tel:+49301234" style="color:#1d5fa8">+49 30 12-34</a>.' in message.html
    )
    settings.EMAIL_REPLY_TO = "planning@example.test"
    message = compose.compose(CLAIM, contact=ANA, address="ana@example.test", now=NOON)
    assert "Questions? Reply to this mail, or call Care & Co, +49 30 12-34.\n" in message.text


def test_a_mail_says_whom_of_the_team_to_ask(settings):
    settings.ORGANISATION_NAME, settings.ORGANISATION_PHONE = "Care & Co", "+49 30 12-34"
    north = TeamContact(organisation="North & Sons", phone="+49 40 55", reply_to="north@example.test")
    of_north = replace(CLAIM, facts=replace(FACTS, team_contact=north))
    message = compose.compose(of_north, contact=ANA, address="ana@example.test", now=NOON)
    assert message.reply_to == "north@example.test"
    assert "Questions? Reply to this mail, or call North & Sons, +49 40 55.\n" in message.text
    assert 'call North &amp; Sons, <a href="tel:+494055"' in message.html
    only_phone = replace(CLAIM, facts=replace(FACTS, team_contact=TeamContact(phone="+49 40 55")))
    message = compose.compose(only_phone, contact=ANA, address="ana@example.test", now=NOON)
    assert (message.reply_to, "Questions? Call Care & Co, +49 40 55.\n" in message.text) == ("", True)


def test_a_name_with_the_characters_of_marks_is_a_name_without_them():
    hostile = TeamContact(organisation="\ue000title\ue001 & \ue000foo\ue001", phone="\ue00055", reply_to="")
    facts = replace(FACTS, title="Pump \ue000foo\ue001", team_contact=hostile)
    message = compose.compose(replace(CLAIM, facts=facts), contact=ANA, address="a@example.test", now=NOON)
    assert "Questions? Call title & foo, 55" in message.text
    assert "title &amp; foo" in message.html
    assert "Pump \ue000foo\ue001 starts in 30 minutes." in message.text


def test_a_mail_names_the_organisation_to_supervisors_too(settings):
    settings.ORGANISATION_NAME = "Care & Co"
    assert composed(TWO).text.endswith("list of supervisors.\nCare & Co\n")


def test_a_mail_without_settings_names_nobody():
    message = compose.compose(CLAIM, contact=ANA, address="ana@example.test", now=NOON)
    assert "Questions?" not in message.text + message.html


def test_the_place_is_on_a_map_where_a_setting_says_on_which(settings):
    settings.MAP_URL = "https://maps.example.test/search?query={place}"
    place = replace(FACTS, location="Hall & yard,\n Straße 5")
    message = compose.compose(replace(CLAIM, facts=place), contact=ANA, address="ana@example.test", now=NOON)
    address = "https://maps.example.test/search?query=Hall%20%26%20yard%2C%20Stra%C3%9Fe%205"
    assert f"\nMap:    {address}\n" in message.text
    assert f'<a href="{address}"' in message.html
    settings.MAP_URL = ""
    assert "Map" not in compose.compose(CLAIM, contact=ANA, address="a@example.test", now=NOON).text


def test_several_reminders_are_listed_with_time_place_and_link_the_next_one_first(settings):
    settings.PUBLIC_URL = "https://reminders.example.org"
    later = replace(ROW, id=2, assignment_id=8)
    bare = replace(FACTS, title="Check", location="", notes="", kind="", reference="", end=None)
    moved = replace(bare, start=START + timedelta(hours=1))
    digest = Digest(lead=ROW, entries=((later, moved), (ROW, FACTS)), members=(), waiting=0)
    message = compose.compose(replace(CLAIM, digest=digest), contact=ANA, address="a@example.test", now=NOON)
    assert message.subject == "Reminder: 2 assignments, the first Mon 15 Jun, 14:30"
    assert message.message_id == compose.message_id(ROW)
    first, second = (links.url_of(Link(row.assignment_id, 3, 1)) for row in (ROW, later))
    stop = opt_out_links.url_of(3, "default")
    assert message.text == (
        "Hello Ana Müller,\n"
        "\n"
        "these 2 assignments are yours.\n"
        "\n"
        "Repair <lift>\n"
        "  When:   Mon 15 Jun, 14:30 to 16:30 (Berlin time)\n"
        "  Where:  Hall & yard\n"
        "  What:   Repair\n"
        "  Number: A-17\n"
        "  Notes:  Ring twice.\n"
        "          Then wait.\n"
        "  Confirm it, or say that you can't make it:\n"
        f"  {first}\n"
        "\n"
        "Check\n"
        "  When:   Mon 15 Jun, 15:30 (Berlin time)\n"
        "  Confirm it, or say that you can't make it:\n"
        f"  {second}\n"
        "\n"
        "You get this message because this work is assigned to you.\n"
        f"Stop reminders like these: {stop}\n"
    )
    assert message.headers["List-Unsubscribe"] == f"<{stop}>"
    assert "Repair &lt;lift&gt;" in message.html
    assert f'href="{first}"' in message.html


def test_of_several_rules_each_can_be_stopped_beside_its_work(settings):
    settings.PUBLIC_URL = "https://reminders.example.org"
    of_rule = replace(ROW, id=2, assignment_id=8, rule="rule:4")
    digest = Digest(lead=ROW, entries=((ROW, FACTS), (of_rule, FACTS)), members=(), waiting=0)
    message = compose.compose(replace(CLAIM, digest=digest), contact=ANA, address="a@example.test", now=NOON)
    stops = [opt_out_links.url_of(3, rule) for rule in ("default", "rule:4")]
    assert [line.rpartition(" ")[2] for line in message.text.splitlines() if "Stop" in line] == stops
    assert not message.headers


def test_several_reminders_by_sms_are_one_short_text(settings):
    settings.PUBLIC_URL = "https://reminders.example.org"
    rows = [replace(ROW, id=n, assignment_id=n, channel="sms") for n in range(1, 41)]
    entries = tuple((row, replace(FACTS, title=f"Job {row.id}")) for row in rows)
    claim = replace(
        CLAIM,
        row=rows[0],
        facts=entries[0][1],
        digest=Digest(lead=rows[0], entries=entries, members=(), waiting=0),
    )
    message = compose.compose(claim, contact=ANA, address="+4930123456", now=NOON)
    assert message.text.startswith(
        "Reminder: 40 assignments: Job 1, Mon 15 Jun, 14:30; Job 2, Mon 15 Jun, 14:30; "
    )
    assert message.text.endswith("\n" + links.url_of(Link(1, 3, 1)))
    assert size(message.text).segments <= 3
