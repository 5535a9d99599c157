"""What writing a mail costs in each language, in one process: `python3 -m benchmarks.languages [ROUNDS]`.

The languages take turns, and of each the best round counts: so what else the machine does falls on all alike, or on none.
"""

import os
import sys
import time
from dataclasses import replace
from datetime import timedelta

MAILS = 200


def measure(rounds: int) -> dict[str, float]:
    """µs of the processor for each mail, by language; 'all': the next mail is always in another one."""
    from django.conf import settings

    from notifications.message import Contact
    from reminders.content import compose
    from reminders.ledger.records import Claim
    from tests.sample_mails import CLAIM, FACTS, NOW, ROW, START

    claims = [
        replace(
            CLAIM,
            row=replace(ROW, id=number, assignment_id=number),
            facts=replace(
                FACTS,
                title=f"Check boiler {number}",
                location="Hill Road 5",
                notes="",
                reference=f"W-{number}",
                start=START + timedelta(minutes=number % 5),
            ),
        )
        for number in range(MAILS)
    ]
    languages = [code for code, _ in settings.LANGUAGES]
    contacts = {one: replace(compose.assignee_contact(FACTS), language=one) for one in languages}

    def round_of(who: list[Contact]) -> float:
        pairs: list[tuple[Claim, Contact]] = list(zip(claims, who, strict=True))
        began = time.thread_time()
        for claim, contact in pairs:
            compose.compose(claim, contact=contact, address="a@example.test", now=NOW)
        return (time.thread_time() - began) / MAILS * 1e6

    readers = {one: [contacts[one]] * MAILS for one in languages}
    readers["all"] = [contacts[languages[number % len(languages)]] for number in range(MAILS)]
    best = dict.fromkeys(readers, float("inf"))
    for _ in range(rounds):
        for one, who in readers.items():
            best[one] = min(best[one], round_of(who))
    return best


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.conf import settings

    settings.PUBLIC_URL = "https://reminders.example.test"
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
    for language, cost in found.items():
        print(f"{language:<4} {cost:6.2f} µs a mail, {cost / found['en']:.3f} of English")


if __name__ == "__main__":
    main()
