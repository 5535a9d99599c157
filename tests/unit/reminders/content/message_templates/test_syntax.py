"""The language of message templates: what is read, what is refused and where, and that nothing takes long."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.content.message_templates import syntax, tree
from reminders.content.message_templates.filters import FILTERS
from reminders.content.message_templates.tree import Literal, Value

VALUES = {"title": "Repair <lift>", "kind": "Repair", "location": "", "late": "", "name": "Ana"}

PIECES = st.sampled_from(
    [
        *("{{ title }}", "{{ name|upper }}", "{{ location|default:'x' }}", "{{ title|truncate:3 }}"),
        *(
            "{% if late %}",
            "{% if not late and name %}",
            '{% elif kind == "Repair" %}',
            "{% else %}",
            "{% endif %}",
        ),
        *(
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "|",
            ":",
            '"',
            "'",
            "\n",
            " ",
            "{{ a.b }}",
            "{% for x in y %}",
            "\u202e",
        ),
        *(
            "Hello",
            "%s",
            "%(x)s",
            "\\",
            "<b>",
            "{% if %}",
            "{{ __class__ }}",
            "{% include 'x' %}",
            "\x00",
            "\ud800",
        ),
    ]
)
SOURCES = st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=40).map("".join)


def output(source: str, **values: str) -> str:
    read = syntax.parse(source)
    assert read.problems == ()
    found = {**VALUES, **values}
    pieces = []
    for node in tree.written(read.nodes, found):
        if isinstance(node, Literal):
            pieces.append(node.text)
        else:
            text = found.get(node.name, "")
            for one in node.filters:
                text = one.apply(text)
            pieces.append(text)
    return "".join(pieces)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Hello {{ name }}!", "Hello Ana!"),
        ("{{name}}{{  name  }}", "AnaAna"),
        ("{{ title|upper }}", "REPAIR <LIFT>"),
        ("{{ title|lower|capfirst }}", "Repair <lift>"),
        ('{{ location|default:"the office" }}', "the office"),
        ("{{ title|truncate:8 }}", "Repair…"),
        ("{% if late %}late{% endif %}on time", "on time"),
        ("{% if late %}a{% elif name %}b{% else %}c{% endif %}", "b"),
        ("{% if late %}a{% elif location %}b{% else %}c{% endif %}", "c"),
        ("{% if not late and name %}yes{% endif %}", "yes"),
        # `and` binds before `or`, `not` before both, as in Django.
        ("{% if name or name and late %}yes{% endif %}", "yes"),
        ('{% if kind == "Repair" %}Take your tools.{% endif %}', "Take your tools."),
        ('{% if kind != "Repair" %}no{% else %}yes{% endif %}', "yes"),
        ('{% if not kind == "Repair" %}no{% endif %}', ""),
        ("{# nobody reads this #}100 % {sure}", "100 % {sure}"),
        ("{% if name %}{% if late %}a{% else %}b{% endif %}{% endif %}", "b"),
    ],
)
def test_values_filters_and_conditions_mean_what_they_mean_in_django(source, expected):
    assert output(source) == expected


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [
        (
            "Hello\n  {{ title.__class__ }}",
            2,
            11,
            "values are texts and have no parts: {{ title }} is accepted",
        ),
        ("{{ title.upper }}", 1, 9, "values are texts and have no parts: {{ title }} is accepted"),
        ("{{ title[0] }}", 1, 9, "values are texts and have no parts: {{ title }} is accepted"),
        ("{{ title() }}", 1, 9, "values are texts and have no parts: {{ title }} is accepted"),
        (
            "a\nb {% for x in title %}",
            2,
            6,
            "for: there is no such tag: if, elif, else and endif are accepted",
        ),
        ("{% include 'a' %}", 1, 4, "include: there is no such tag: if, elif, else and endif are accepted"),
        ("{% extends 'a' %}", 1, 4, "extends: there is no such tag: if, elif, else and endif are accepted"),
        ("{% load i18n %}", 1, 4, "load: there is no such tag: if, elif, else and endif are accepted"),
        ("{% if late %}x", 1, 1, "this if has no end: {% endif %} is needed"),
        ("x{% endif %}", 1, 2, "endif without an if before it: {% if location %} is needed"),
        (
            "{{ title|ljust:9 }}",
            1,
            10,
            f"ljust: there is no such filter: one of {', '.join(FILTERS)} is accepted",
        ),
        ("{{ title|truncate }}", 1, 10, "truncate: {{ title|truncate:40 }} is accepted"),
        ("{{ title|truncate:999999999 }}", 1, 10, "truncate: {{ title|truncate:40 }} is accepted"),
        ("{{ title|upper:3 }}", 1, 10, "upper: {{ title|upper }} is accepted"),
        ("{% else x %}", 1, 1, "else without an if before it: {% if location %} is needed"),
        ("{% if late %}{% endif x %}", 1, 23, "nothing is accepted after endif: {% endif %}"),
        ("a\n\n€ \u202e", 3, 3, "the character U+202E is not accepted: nobody sees it"),
        ("a\x00", 1, 2, "the character U+0000 is not accepted: nobody sees it"),
        ("a\ue000title\ue001", 1, 2, "the character U+E000 is not accepted: nobody sees it"),
        ("{{ a|upper|upper|upper|upper }}", 1, 1, "more than 3 filters of one value are not accepted"),
        (
            "{% if late %}" * 9 + "{% endif %}" * 9,
            1,
            105,
            "more than 8 conditions inside of each other are not accepted",
        ),
        ("{% if late == name %}{% endif %}", 1, 15, 'a text in quotes is needed: {% if late == "Repair" %}'),
    ],
)
def test_what_is_not_of_the_language_is_refused_where_it_is_and_says_what_is_accepted(
    source, line, column, message
):
    problem = syntax.parse(source).problems[0]
    assert (problem.place.line, problem.place.column, problem.message) == (line, column, message)


@pytest.mark.parametrize(
    "source", ["{{ title", "title }}", "{% if late", "{# x", "{{ {{ title }}", "{{ ti\ntle }}", "{{ 'a}b' }}"]
)
def test_a_tag_that_is_not_whole_is_refused(source):
    assert "not part of a whole tag" in syntax.parse(source).problems[0].message


@pytest.mark.parametrize(
    "source",
    [
        "{{" * 500_000,
        "{#" * 500_000,
        "{%" + "a" * 1_000_000 + "%}",
        "{% if late %}" * 100_000,
        "{% if " + "not " * 250_000 + "late %}",
        "{% if " + "a and " * 150_000 + "a %}",
        "{{ title }}" * 100_000,
        "{{ title|upper" * 80_000,
        "\n{{ a.b }}" * 100_000,
        "{{ " + "a" * 1_000_000 + " }}",
        "\u202e" * 1_000_000,
    ],
    ids=lambda source: source[:16],
)
def test_a_megabyte_of_anything_is_read_in_less_than_a_second(source):
    began = time.process_time()
    assert syntax.parse(source).problems
    assert time.process_time() - began < 1.0


@given(SOURCES)
def test_any_source_is_read_or_refused_with_a_place_in_it(source):
    read = syntax.parse(source)
    lines = source.split("\n")
    for problem in read.problems:
        assert 1 <= problem.place.line <= len(lines)
        assert 1 <= problem.place.column <= len(lines[problem.place.line - 1]) + 1


@given(SOURCES, st.dictionaries(st.sampled_from(sorted(VALUES)), st.text(max_size=20)))
def test_what_is_read_writes_its_own_text_and_values_and_nothing_else(source, values):
    read = syntax.parse(source)
    if read.problems:
        return
    written = list(tree.written(read.nodes, values))
    length = sum(
        len(node.text) if isinstance(node, Literal) else len(values.get(node.name, "")) for node in written
    )
    assert length <= len(source) + syntax.MOST_VALUES * 20
    for node in written:
        assert not isinstance(node, Literal) or node.text in source
        assert not isinstance(node, Value) or node.name in source


@given(st.sampled_from(sorted(FILTERS)), st.text(max_size=200))
def test_no_filter_makes_a_text_much_longer(name, text):
    argument = {"truncate": "40", "default": "x" * 1_000}.get(name, "")
    assert len(FILTERS[name].apply(text, argument)) <= max(3 * len(text) + 1, 1_000)
