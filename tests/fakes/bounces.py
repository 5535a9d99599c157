"""Mails that come back, as mail servers and mail programs write them."""

RETURNED = """\
Received: from app.example.org (app.example.org [192.0.2.7])
Date: Thu, 26 Nov 2026 09:59:58 +0000
From: Assignment reminders <reminders@example.org>
To: Ada <ada@example.net>
Subject: Reminder
Message-ID: <5f0c6a7e-0000-5000-8000-000000000001@example.org>
X-Reminder-Token: {token}
"""


def dsn(
    *,
    to: str = "bounces@example.org",
    token: str = "none",
    action: str = "failed",
    status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 <ada@example.net>: Recipient address rejected: User unknown",
    message_id: str = "<dsn-1@mx.example.net>",
    returned: str = RETURNED,
    further: str = "",
) -> bytes:
    """As Postfix writes it: RFC 3464 in RFC 6522, with the headers of the message, marked as an automatic reply.

    `further` are groups of fields of other recipients, each after a blank line.
    """
    return f"""\
Return-Path: <>
Delivered-To: {to}
Date: Thu, 26 Nov 2026 10:00:02 +0000 (UTC)
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4D2F1.1764151202/mx.example.net"
Message-Id: {message_id}

This is a MIME-encapsulated message.

--4D2F1.1764151202/mx.example.net
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.net.

--4D2F1.1764151202/mx.example.net
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
X-Postfix-Sender: rfc822; {to}
Arrival-Date: Thu, 26 Nov 2026 10:00:00 +0000 (UTC)

Final-Recipient: rfc822; ada@example.net
Original-Recipient: rfc822;ada@example.net
Action: {action}
Status: {status}
Remote-MTA: dns; mx2.example.net
Diagnostic-Code: {diagnostic}
{further}
--4D2F1.1764151202/mx.example.net
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

{returned.format(token=token)}
--4D2F1.1764151202/mx.example.net--
""".replace("\n", "\r\n").encode()


def complaint(*, to: str = "fbl@example.org", token: str = "none", feedback: str = "abuse") -> bytes:
    """A complaint in the Abuse Reporting Format (RFC 5965)."""
    return f"""\
From: <abusedesk@example.com>
Date: Thu, 26 Nov 2026 10:00:03 +0000
Subject: FW: Reminder
To: <{to}>
Message-ID: <complaint-1@example.com>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="part1"

--part1
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report for an email message received from IP 192.0.2.7.

--part1
Content-Type: message/feedback-report

Feedback-Type: {feedback}
User-Agent: SomeGenerator/1.0
Version: 1

--part1
Content-Type: message/rfc822
Content-Disposition: inline

{RETURNED.format(token=token)}
Your work begins in 30 minutes.
--part1--
""".replace("\n", "\r\n").encode()


def qmail(*, to: str, words: str = "Sorry, no mailbox here by that name. (#5.1.1)") -> bytes:
    """As qmail writes it: no notification, only words (QSBMF)."""
    return f"""\
Return-Path: <>
Delivered-To: {to}
Date: 26 Nov 2026 10:00:04 -0000
From: MAILER-DAEMON@mx.example.net
To: {to}
Subject: failure notice
Message-ID: <qmail-1@mx.example.net>

Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ada@example.net>:
{words}

--- Below this line is a copy of the message.

Return-Path: <{to}>
{RETURNED.format(token="none")}
Your work begins in 30 minutes.
""".encode()


def exim(*, to: str, token: str) -> bytes:
    """As older releases of Exim write it: a header names the recipient; it is marked as an automatic reply."""
    return f"""\
Return-path: <>
Envelope-to: {to}
X-Failed-Recipients: ada@example.net
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@mx.example.net>
To: {to}
Subject: Mail delivery failed: returning message to sender
Message-Id: <E1exim-1@mx.example.net>
Date: Thu, 26 Nov 2026 10:00:05 +0000

A message that you sent could not be delivered to one or more of its recipients. This is a permanent error.

  ada@example.net
    SMTP error from remote mail server after RCPT TO:<ada@example.net>:
    550 5.2.1 Mailbox disabled

------ This is a copy of the message, including all the headers. ------

{RETURNED.format(token=token)}
""".encode()


def out_of_office(*, to: str) -> bytes:
    """An automatic reply of a person's mail program (RFC 3834)."""
    return f"""\
Return-Path: <>
From: Ada <ada@example.net>
To: {to}
Subject: Out of office: Reminder
Date: Thu, 26 Nov 2026 10:00:06 +0000
Message-ID: <away-1@example.net>
Auto-Submitted: auto-replied
In-Reply-To: <5f0c6a7e-0000-5000-8000-000000000001@example.org>

I am away until Monday. In urgent cases please write to <bob@example.net>.
""".encode()
