"""The spellings of one person's reference."""

import pytest

from assignments.references import person_key, person_reference, person_spellings

UUID = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("P-7", "P-7"),
        ("p-7", "p-7"),
        ("MAILTO:Ada@Example.ORG", "mailto:Ada@example.org"),
        ("Ada@Example.ORG", "Ada@Example.ORG"),
        (f"URN:UUID:{UUID.upper()}", f"urn:uuid:{UUID}"),
        ("URN:Staff:Ada", "urn:staff:Ada"),
        ("urn:", "urn:"),
        ("Gro\u0308\u00dfe", "Gr\u00f6\u00dfe"),
    ],
)
def test_a_reference_is_stored_as_it_was_given_but_for_letters_without_a_case(given, stored):
    assert person_reference(given) == stored
    assert person_reference(stored) == stored


@pytest.mark.parametrize(
    "same",
    [
        ("mailto:ada@example.org", "MAILTO:ada@EXAMPLE.org", "ada@example.org"),
        (f"urn:uuid:{UUID}", f"URN:UUID:{UUID.upper()}", UUID, UUID.upper()),
        ("urn:staff:Ada", "URN:STAFF:Ada"),
    ],
)
def test_all_spellings_of_one_reference_are_found_by_each_other(same):
    assert len({person_key(one) for one in same}) == 1
    for one in same:
        assert {person_reference(other) for other in same} <= person_spellings(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("P-7", "p-7"), ("Ada@example.org", "ada@example.org"), ("urn:staff:Ada", "urn:staff:ada")],
)
def test_case_tells_other_references_apart(one, other):
    assert person_key(one) != person_key(other)
