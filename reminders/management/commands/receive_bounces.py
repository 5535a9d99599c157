"""`manage.py receive_bounces [--recipient ADDRESS] < message`: records what a mail to BOUNCE_ADDRESS reports."""

import logging
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from notifications.bounces.bounded import MOST_OCTETS
from reminders import conf
from reminders.bounces import receiving
from reminders.bounces.receiving import ReceiptOutcome

logger = logging.getLogger(__name__)

EX_TEMPFAIL = 75
"""Of sysexits.h: the mail server keeps the mail, and tries again later."""


class Command(BaseCommand):
    help = (
        "Reads one mail from standard input, as a mail server pipes it, and records what it reports. The exit code is 0 "
        "for every mail that was read, also for one that reports nothing, and 75 (try again later) if the database is "
        "away, or if the message that bounced is not recorded as sent yet."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--recipient",
            default="",
            metavar="ADDRESS",
            help="the address to which the mail was delivered; needed only where no header of it says so",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        content = sys.stdin.buffer.read(MOST_OCTETS)
        while sys.stdin.buffer.read(MOST_OCTETS):
            pass  # A mail server takes it for a failure if not all is read.
        if not settings.SECRET_KEY_IS_SET:
            # Every token would count as forged, and the mail would be lost.
            raise CommandError(
                "SECRET_KEY is not set: the one of all processes is needed", returncode=EX_TEMPFAIL
            )
        try:
            receipt = receiving.receive(content, config=conf.current(), recipient=options["recipient"])
        except Exception as error:
            # The database is away, or it is a fault of ours: in both cases the mail is worth another attempt.
            logger.warning("Returned mail not recorded", extra={"reason": type(error).__name__})
            raise CommandError("not recorded; to be tried again", returncode=EX_TEMPFAIL) from None
        if receipt.outcome is ReceiptOutcome.EARLY:
            raise CommandError("its message is being sent; to be tried again", returncode=EX_TEMPFAIL)
