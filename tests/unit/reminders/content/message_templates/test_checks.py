"""What a template must and must not hold: each refusal names a line, a column and what is accepted."""

from typing import Any

import pytest
from django.utils.translation import override
from hypothesis import given, settings
from hypothesis import strategies as st

from reminders.content import compose
from reminders.content.message_templates import active
from reminders.content.message_templates.checks import MOST_OF_BODY, check
from reminders.content.message_templates.custom_text import CustomText, TemplateUnusable, recorded_fault
from reminders.content.message_templates.starters import starter
from reminders.content.message_templates.variables import Role, TextForm, variables
from reminders.insight.message_samples import contact_of, sample_problems, samples, written
from reminders.models import MessageTemplate
from tests.depth import examples
from tests.unit.reminders.content.message_templates.test_syntax import SOURCES

Kind = MessageTemplate.Kind
CHANNELS = ("email", "sms", "chat")
EVERY = [(kind, channel) for kind in Kind.values for channel in CHANNELS]
SUBJECT = "Reminder: {{ title }}"
BODY = "{{ title }}: {{ time_line }}"


def problems(kind: str, form: TextForm, body: str, subject: str = SUBJECT) -> list[str]:
    subject = subject if form is TextForm.MAIL else ""
    return [str(one) for one in check(kind, form, subject=subject, body=body).problems]


def text_of(kind: str, channel: str, **values: Any) -> CustomText:
    form = active.form_of(channel)
    first = starter(kind, form)
    known = {"subject": first.subject, "body": first.body, "language": "en", **values}
    return CustomText(version_id=5, kind=kind, form=form, **known)


@pytest.mark.parametrize(("kind", "channel"), EVERY)
def test_every_text_to_begin_with_can_be_saved_as_it_is(kind, channel, settings):
    settings.PUBLIC_URL = "https://reminders.example"
    text = text_of(kind, channel)
    assert text.checked.problems == ()
    assert list(sample_problems(text, channel=channel)) == []


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ("", "line 1, column 1: a text is needed"),
        (
            "{{ title }}",
            "line 1, column 1: the start with its zone must be there in any case: {{ time_line }}",
        ),
        (
            BODY + "\n{{ tittle }}",
            "line 2, column 1: tittle: these messages have no such value: title",
        ),
        (
            BODY + "\n{% if laet %}x{% endif %}",
            "line 2, column 7: laet: these messages have no such value: late",
        ),
        (
            BODY + "{{ late }}",
            "line 1, column 29: late holds nothing to be written: {% if late %} is accepted",
        ),
        (BODY + "{{ link|upper }}", "line 1, column 29: link takes no filter: {{ link }} is accepted"),
        ("x" * 20_001, "line 1, column 20001: 20001 characters are too long: 20000 are accepted"),
        ("x\n" * 10_001, "line 10001, column 1: 20002 characters are too long: 20000 are accepted"),
    ],
)
def test_a_reminder_that_cannot_be_used_is_refused_with_its_place(body, refusal):
    assert problems(Kind.REMINDER, TextForm.MAIL, body)[0].startswith(refusal)


def test_what_is_wrong_is_said_to_each_reader_in_their_language_and_recorded_in_english():
    text = text_of(Kind.REMINDER, "email", body=BODY + "{% if late %}")
    claim = samples(Kind.REMINDER, "email")["usual"]
    for language, says in (
        ("de", "Zeile 1, Spalte 29: Dieses if hat kein Ende: {% endif %} wird gebraucht"),
        ("es", "línea 1, columna 29: este if no tiene fin: se necesita {% endif %}"),
        ("en", "line 1, column 29: this if has no end: {% endif %} is needed"),
    ):
        with override(language):
            assert str(text.checked.problems[0]) == says
            with pytest.raises(TemplateUnusable) as unusable:
                written(text, claim, contact_of(claim, language))
            assert str(unusable.value) == says
            assert (
                recorded_fault(unusable.value)
                == "line 1, column 29: this if has no end: {% endif %} is needed"
            )


@pytest.mark.parametrize("language", ["de", "es", "fr"])
def test_every_problem_can_be_written_in_every_language(language):
    sources = (
        "{{ late }}{{ link|upper }}{{ gone }}{{ title|truncate:40 }}",
        "{{ }}{{ title.x }}{{ title x }}{{ title|x }}{{ title| }}{{ title|default: }}{{ title|upper:1 }}",
        "{% if %}{% if a == b %}{% if title title %}{% x %}{% %}{% else x %}{% elif title %}{%",
        "{% endif %}" + "{% if title %}" * 9,
        "{% if " + "title and " * 30 + "title %}",
        "{{ title }}" * 201 + "\x00",
        "x" * 20_001,
        "\nx",
        "",
    )
    with override(language):
        for kind in Kind.values:
            for form in TextForm:
                for source in sources:
                    found = check(kind, form, subject=source, body=source).problems
                    assert all(str(one) and "%(" not in str(one) for one in found)


@pytest.mark.parametrize(
    "body",
    [
        "{% if late %}{{ time_line }}{% endif %}",
        "{% if late %}{{ time_line }}{% else %}soon{% endif %}",
        "{% if title == 'x' %}{% else %}{{ time_line }}{% endif %}",
        "{{ start_short }}",
    ],
)
def test_a_start_that_is_not_always_there_is_not_enough(body):
    assert "the start with its zone" in problems(Kind.REMINDER, TextForm.MAIL, body)[0]


@pytest.mark.parametrize(
    "body",
    [
        "{{ time_line }}",
        "{% if late %}{{ time_line }}{% else %}{{ start_short }} {{ zone }}{% endif %}",
        "{% if late %}a{% elif title %}b{% endif %}{{ start_short }}, {{ zone|upper }}",
    ],
)
def test_a_start_that_is_there_in_any_case_is_enough(body):
    assert problems(Kind.REMINDER, TextForm.MAIL, body) == []


@pytest.mark.parametrize(
    ("subject", "refusal"),
    [
        ("", "line 1, column 1: a text is needed"),
        (
            "{{ title }}\nBcc: x@example.test",
            "line 1, column 12: a subject is one line: no end of a line is accepted",
        ),
        ("x" * 301, "line 1, column 301: 301 characters are too long: 300 are accepted"),
        ("{{ link }}", "line 1, column 1: link is for the text: it is not accepted in a subject"),
        ("{{ nobody }}", "line 1, column 1: nobody: these messages have no such value"),
    ],
)
def test_a_subject_that_cannot_be_used_is_refused(subject, refusal):
    assert problems(Kind.REMINDER, TextForm.MAIL, BODY, subject)[0].startswith(refusal)


def test_a_short_text_has_no_subject_and_must_hold_the_link():
    assert check(Kind.REMINDER, TextForm.SHORT, subject="x", body="").subject_problems[0].message == (
        "a short text has no subject: nothing is accepted here"
    )
    (refusal,) = problems(Kind.REMINDER, TextForm.SHORT, "{{ time_line }}")
    assert refusal == (
        "line 1, column 1: where they answer must be there in any case: {{ link }}, or {% if link %}{{ link }}{% endif %},"
        " is needed"
    )
    assert problems(Kind.REMINDER, TextForm.SHORT, "{{ time_line }}{% if link %} {{ link }}{% endif %}") == []
    assert problems(Kind.OVERDUE, TextForm.SHORT, "{{ time_line }}") == []


@pytest.mark.parametrize(
    ("left_out", "refusal"),
    [
        ("is_cancelled", "it must say that they need not come: {% if is_cancelled %} is needed"),
        ("is_reassigned", "it must say that they need not come: {% if is_reassigned %} is needed"),
        ("is_restored", "it must say that the work is theirs again: {% if is_restored %} is needed"),
        ("is_moved", "it must say from when it was moved: {% if is_moved %} with {{ moved_from }} is needed"),
        ("is_place", "it must say that the place has changed: {% if is_place %} is needed"),
        ("is_title", "it must say that the title has changed: {% if is_title %} is needed"),
    ],
)
@pytest.mark.parametrize("form", TextForm)
def test_a_correction_must_say_whatever_can_have_changed(left_out, refusal, form):
    body = starter(Kind.CORRECTION, form).body.replace(f"if {left_out} %}}", "if late %}")
    assert refusal in "\n".join(problems(Kind.CORRECTION, form, body))


def test_what_an_answer_was_must_be_said_and_what_is_listed_must_be_there():
    assert problems(Kind.ESCALATION, TextForm.MAIL, BODY) == [
        f"line 1, column 1: it must say what has happened: {{% if {name} %}} is needed"
        for name in ("is_declined", "is_late", "is_unanswered")
    ]
    for kind in (Kind.REMINDERS, Kind.DIGEST):
        assert problems(kind, TextForm.MAIL, "{{ number }}", "{{ number }}") == [
            "line 1, column 1: what is listed must be there in any case: {{ entries }} is needed"
        ]


def test_a_short_text_of_more_than_three_segments_is_refused_with_the_sample_that_shows_it(settings):
    settings.PUBLIC_URL = "https://reminders.example"
    long = text_of(Kind.REMINDER, "sms", body="x" * 500 + "{{ time_line }} {{ link }}")
    assert next(sample_problems(long, channel="sms"))[1].message == (
        "with the sample “usual”: 5 segments of SMS are too long: 3 are accepted"
    )
    fits = text_of(Kind.REMINDER, "sms", body="{{ notes }}" * 60 + "{{ time_line }} {{ link }}")
    assert list(sample_problems(fits, channel="sms")) == []


@pytest.mark.parametrize(("kind", "channel"), EVERY)
def test_every_value_of_the_code_is_documented_and_every_documented_one_can_be_written(
    kind, channel, settings, monkeypatch
):
    settings.PUBLIC_URL, settings.MAP_URL = "https://reminders.example", "https://maps.example/?q={place}"
    form = active.form_of(channel)
    known = variables(kind, form)
    seen: set[str] = set()
    make = CustomText._make

    def spy(self: CustomText, values: Any, of_row: frozenset[str]) -> Any:
        seen.update(values)
        return make(self, values, of_row)

    monkeypatch.setattr(CustomText, "_make", spy)
    text = text_of(kind, channel)
    for claim in samples(kind, channel).values():
        written(text, claim, contact_of(claim, "en"))
    assert seen == set(known)

    claims = samples(kind, channel).values()
    for name, one in known.items():
        shown = f"{{% if {name} %}}[{name}]{{% else %}}[{name}]{{% endif %}}"
        if one.role is not Role.FLAG:
            shown += f"{{{{ {name} }}}}"
        with_it = text_of(kind, channel, body=text.body + shown)
        assert with_it.checked.problems == ()
        for claim in claims:
            message = compose.compose_with(
                claim, with_it, contact=contact_of(claim, "en"), address="a", now=claim.begun_at
            )
            assert f"[{name}]" in message.text


@pytest.mark.parametrize("kind", Kind.values)
def test_no_template_takes_from_a_mail_what_must_be_in_it(kind, settings):
    settings.PUBLIC_URL = "https://reminders.example"
    for claim in samples(kind, "email").values():
        contact = contact_of(claim, "en")
        own = written(text_of(kind, "email"), claim, contact)
        built_in = written(None, claim, contact)
        assert (own.headers, own.calendar, own.reply_to) == (
            built_in.headers,
            built_in.calendar,
            built_in.reply_to,
        )
        for part, name in ((own.text, "text"), (own.html, "html")):
            assert part, name
            for address in (
                *filter(None, [own.headers.get("List-Unsubscribe", "").strip("<>")]),
                *(["https://reminders.example/a/"] if "/a/" in built_in.text else []),
                *(
                    ["https://reminders.example/ops/act/reassign?ids=17"]
                    if "reassign?ids=17" in built_in.text
                    else []
                ),
            ):
                assert address in part.replace("&amp;", "&")


@settings(max_examples=examples(150), deadline=None)
@given(SOURCES, SOURCES, st.sampled_from(EVERY))
def test_no_source_does_harm_it_is_refused_or_makes_messages_within_their_bounds(subject, body, of):
    kind, channel = of
    first = starter(kind, active.form_of(channel))
    text = text_of(kind, channel, subject=first.subject and subject, body=first.body + body)
    if text.checked.problems:
        return
    for claim in samples(kind, channel).values():
        try:
            message = written(text, claim, contact_of(claim, "en"))
        except TemplateUnusable:
            continue
        assert "\n" not in message.subject
        assert "\r" not in message.subject
        assert "<b>" not in message.html
        assert len(message.text) <= MOST_OF_BODY[TextForm.MAIL] * 5


def test_a_text_to_begin_with_is_there_in_each_language_and_can_be_saved():
    texts = set()
    for kind in Kind.values:
        for channel in ("email", "sms"):
            form = active.form_of(channel)
            for language in ("en", "de", "es", "fr"):
                first = starter(kind, form, language)
                text = CustomText(1, kind, form, language, first.subject, first.body)
                assert text.checked.problems == (), (kind, channel, language)
                assert [*sample_problems(text, channel=channel)] == [], (kind, channel, language)
                texts.add(first)
    assert len(texts) == len(Kind.values) * 2 * 4
