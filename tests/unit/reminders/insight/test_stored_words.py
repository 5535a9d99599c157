"""What is stored in English is shown in the reader's language."""

import time
from enum import Enum

import pytest
from django.utils.translation import override

from config.devstack.translations import ROOT
from notifications.message import Outcome
from reminders.content.message_templates.custom_text import CustomText, TemplateUnusable, recorded_fault
from reminders.content.message_templates.variables import TextForm
from reminders.insight import stored_words
from reminders.insight.stored_words import fault_in_words, reason_in_words
from reminders.models import DeliveryKind, Kind, Reason, State
from reminders.web.templatetags import ops
from tests.unit.test_untranslated import texts

STORED_BY = (
    "assignments/imports/calendar_alarms.py",
    "assignments/imports/calendar_event_rows.py",
    "assignments/imports/calendar_events.py",
    "assignments/imports/calendar_instants.py",
    "assignments/imports/calendar_occurrences.py",
    "assignments/imports/calendar_people.py",
    "assignments/imports/calendar_properties.py",
    "assignments/imports/calendar_rows.py",
    "assignments/imports/calendar_rules.py",
    "assignments/imports/calendar_series.py",
    "assignments/imports/calendar_zones.py",
    "assignments/imports/tables/xlsx_process.py",
    "notifications/bounces/mailbox.py",
    "notifications/channels/chat/channel.py",
    "notifications/channels/email/channel.py",
    "notifications/channels/email/connection.py",
    "notifications/channels/email/one_piece.py",
    "notifications/channels/email/opening.py",
    "notifications/channels/email/transport.py",
    "notifications/channels/sms/channel.py",
    "notifications/channels/webhook/channel.py",
    "notifications/channels/webhook/request.py",
    "notifications/deadline_socket.py",
    "notifications/fetch.py",
    "reminders/delivery/outage.py",
    "reminders/delivery/recovery.py",
    "reminders/delivery/sms_sending.py",
    "reminders/feeds/reading.py",
)
"""Modules that write what is stored: every text of theirs is known."""

NOT_STORED = {
    # What an import leaves out is counted for whoever imports; a feed keeps what is refused.
    "assignments/imports/calendar_event_rows.py": 3,
    "assignments/imports/calendar_events.py": 7,
    "assignments/imports/calendar_instants.py": 1,
    "assignments/imports/calendar_people.py": 5,
    "assignments/imports/calendar_rows.py": 4,
}


def _stored_texts() -> dict[str, list[str]]:
    return {name: [text.replace("{}", "7") for _, text in texts(ROOT / name)] for name in STORED_BY}


@pytest.mark.parametrize("language", ["de", "es", "fr"])
def test_every_text_that_a_module_stores_is_said_in_the_readers_language(language):
    with override(language):
        left = {
            name: [text for text in found if fault_in_words(reason_in_words(text)) == text]
            for name, found in _stored_texts().items()
        }
    assert {name: len(found) for name, found in left.items() if found} == NOT_STORED, left


def test_a_fault_of_a_stored_text_is_said_with_its_place_and_values():
    text = CustomText(1, "reminder", TextForm.MAIL, "en", "Work", "Hello\n{{ titel }} {{ time_line }}")
    with pytest.raises(TemplateUnusable) as refusal:
        text.variant({}, (), None, dict)
    fault = recorded_fault(refusal.value)
    assert fault.startswith("line 2, column 1: ")
    with override("de"):
        assert fault_in_words(fault) == str(refusal.value) != fault


def test_values_are_said_as_they_are_and_texts_within_a_text_are_translated():
    with override("de"):
        assert (
            fault_in_words("the answer is longer than 5,000 bytes")
            == "die Antwort ist länger als 5,000 Bytes"
        )
        assert fault_in_words(
            "an alarm with the TRIGGER “x”: 1 to 60 whole minutes before the start are needed"
        ) == ("ein Alarm mit dem TRIGGER “x”: nötig sind 1 bis 60 ganze Minuten vor dem Beginn")


def test_what_a_server_or_an_operator_wrote_stays_as_it_is():
    with override("de"):
        assert fault_in_words("5.1.1 no such user") == "5.1.1 no such user"
        assert reason_in_words("Nothing here.") == "Nothing here."
        assert reason_in_words("time ran out") == "time ran out"
        assert reason_in_words("") == fault_in_words("") == ""


def test_several_reasons_of_the_system_are_each_said():
    with override("es"):
        assert reason_in_words("enabled again: no operator had switched it off; corrected task, enabled") == (
            "activada de nuevo: ningún operador la había desactivado; corregido: task, enabled"
        )


@pytest.mark.parametrize("language", ["en", "en-gb"])
def test_english_stays_english(language):
    with override(language):
        assert fault_in_words("time ran out") == "time ran out"


def test_a_hostile_answer_costs_no_time():
    began = time.process_time()
    with override("fr"):
        for text in (": " * 250, "an alarm " * 60, "row 1 is before " * 28, "%(name)s" * 60):
            assert fault_in_words(text[:500]) == text[:500]
    assert time.process_time() - began < 1.0


def test_every_code_of_the_ledger_has_a_word_in_each_language():
    for language in ("de", "es", "fr"):
        with override(language):
            enums: list[type[Enum]] = [Kind, State, Reason, DeliveryKind, Outcome]
            codes = [str(one.value) for enum in enums for one in enum]
            left = [one for one in codes if ops.word(one) == one.replace("_", " ")]
        assert left == [], language


def test_no_text_is_known_by_so_little_that_it_meets_others():
    known = stored_words.texts_of("de")
    assert all(one.own >= stored_words.LEAST_OF_ITS_OWN for one in known.values())
