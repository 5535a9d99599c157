"""How texts are encoded as SMS, and into how many segments they fall (3GPP TS 23.038 and 23.040)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels.sms.alphabet import Encoding, is_gsm_7, plain, size

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"


def test_the_alphabet_has_127_characters_and_ten_more_behind_an_escape() -> None:
    assert (len(BASIC), len(set(BASIC)), len(EXTENSION)) == (127, 127, 10)
    assert [size(one).units for one in BASIC] == [1] * 127
    assert [size(one).units for one in EXTENSION] == [2] * 10
    assert {size(one).encoding for one in BASIC + EXTENSION} == {Encoding.GSM_7}


@pytest.mark.parametrize(
    "character", ["ç", "`", "á", "ş", "\u2013", "\u2026", "\u2068", "漢", "\t", "\U0001f527"]
)
def test_one_other_character_makes_ucs_2_of_the_text(character: str) -> None:
    assert size("a" * 50 + character).encoding is Encoding.UCS_2


@pytest.mark.parametrize(
    ("text", "units", "segments"),
    [
        ("", 0, 1),
        ("a" * 160, 160, 1),
        ("a" * 161, 161, 2),
        ("a" * 306, 306, 2),
        ("a" * 307, 307, 3),
        ("a" * 459, 459, 3),
        ("a" * 460, 460, 4),
        ("€" * 80, 160, 1),
        ("€" * 81, 162, 2),
        ("a" * 152 + "€" + "a" * 152, 306, 3),  # the escape does not end a segment, so it begins the next one
        ("漢" * 70, 70, 1),
        ("漢" * 71, 71, 2),
        ("漢" * 134, 134, 2),
        ("漢" * 135, 135, 3),
        ("漢" * 201, 201, 3),
        ("漢" * 202, 202, 4),
        ("\U0001f527" * 35, 70, 1),
        ("\U0001f527" * 36, 72, 2),
        ("漢" * 66 + "\U0001f527" + "漢" * 66, 134, 3),  # no half of a pair ends one either
    ],
)
def test_how_many_segments_a_text_takes(text: str, units: int, segments: int) -> None:
    found = size(text)
    assert (found.units, found.segments) == (units, segments)


@given(st.text(max_size=700))
def test_a_longer_text_never_takes_less(text: str) -> None:
    assert size(text).segments <= size(text + "a").segments
    assert size(text).segments <= size(text + "\U0001f527").segments


def test_what_office_programs_write_is_written_as_on_a_keyboard_where_that_helps() -> None:
    assert plain("\u201cMüller\u2019s\u201d \u2013 10\u00a0Uhr\u2026") == '"Müller\'s" - 10 Uhr...'
    assert plain("漢\u2013字") == "漢\u2013字"
    assert plain("plain") == "plain"


@given(st.text())
def test_what_is_written_plainly_is_unchanged_or_gsm_7(text: str) -> None:
    assert plain(text) == text or is_gsm_7(plain(text))
