"""One connection of the fake mail server: it reads commands and gives the usual answers, or suffers what is planned."""

import base64
import json
import re
import socket
import ssl
import struct
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

from tests.fakes.smtp_faults import Accepted, Fault, Step
from tests.fakes.smtp_rules import rule_from

if TYPE_CHECKING:
    from tests.fakes.smtp_server import SmtpServer


class Over(Exception):
    """This conversation has ended."""


class Conversation:
    def __init__(
        self,
        server: "SmtpServer",
        sock: socket.socket,
        number: int,
        features: tuple[str, ...],
        keep_content: bool,
    ) -> None:
        self.server, self.sock, self.number = server, sock, number
        self.features, self.keep_content = features, keep_content
        self.unread = b""
        self.answers: list[bytes] = []
        self.sender: str | None = None
        self.recipients: list[str] = []
        self.refused_at_mail: Fault | None = None

    def encrypt(self, context: ssl.SSLContext | None) -> None:
        assert context is not None
        plain, self.sock = self.sock, context.wrap_socket(self.sock, server_side=True)
        self.server.swap(plain, self.sock)

    def run(self, tls: ssl.SSLContext | None) -> None:
        self._answer("connect", "220 test ESMTP")
        while True:
            command = self._line()
            verb = command[:4].upper()
            if verb in ("EHLO", "HELO"):
                self._forget()
                lines = ["test", *self.features, *(["STARTTLS"] if tls else [])]
                if self.server.credentials:
                    lines.append("AUTH PLAIN")
                if verb == "HELO":
                    lines = lines[:1]
                text = "\r\n".join(f"250-{line}" for line in lines)
                self._answer("ehlo", text[: text.rfind("250-")] + "250 " + lines[-1])
            elif verb == "MAIL":
                self.refused_at_mail = None
                if self._answer("mail", "250 ok" if self.sender is None else "503 nested MAIL"):
                    self.sender = _between_angles(command)
            elif verb == "RCPT":
                recipient = _between_angles(command)
                if self.refused_at_mail:  # only now is it known for whom
                    self.server.note_refusal(self.refused_at_mail, self.refused_at_mail.answer, [recipient])
                usual = "503 MAIL first" if self.sender is None else "250 ok"
                if self._answer("rcpt", usual, about=[recipient]):
                    self.recipients.append(recipient)
            elif verb == "DATA":
                fault = self._fault_at("data")
                answer = self._suffer(fault, usual="354 go on")
                if fault and answer and answer[0] in "45":
                    self._note_refusal(fault, answer, self.recipients)
                if answer is None:
                    answer = "354 go on" if self.recipients else "503 RCPT first"
                    self._say(answer)
                if answer.startswith("354"):
                    self._read_content()
            elif verb == "BDAT":
                self._read_piece(int(command.split()[1]))
            elif verb == "RSET":
                self._forget()
                self._answer("rset", "250 ok")
            elif verb == "NOOP":
                self._say("250 ok")
            elif verb == "AUTH":
                good = base64.b64encode("\0{}\0{}".format(*(self.server.credentials or ("", ""))).encode())
                right = command.split()[1:] == ["PLAIN", good.decode()]
                self._answer("auth", "235 welcome" if right else "535 5.7.8 wrong credentials")
            elif verb == "STAR" and tls:
                if self._answer("starttls", "220 go on"):
                    self._flush()
                    self.unread = b""
                    self.encrypt(tls)
                    tls = None
            elif verb == "QUIT":
                self._answer("quit", "221 bye")
                self._flush()
                raise Over
            else:
                self._control(command)

    def _control(self, command: str) -> None:
        verb, _, argument = command.partition(" ")
        if verb == "XFAULT":
            self.server.plan(Fault(**json.loads(argument)))
            self._say("250 planned")
        elif verb == "XRULE":
            self.server.hold_to(rule_from(json.loads(argument)))
            self._say("250 held to")
        elif verb == "XCLEAR":
            self.server.clear()
            self._say("250 cleared")
        elif verb == "XSTAT":
            counts = self.server.count()
            answer = {
                "accepted": counts.total(),
                "unique": len(counts),
                "connections": self.server.connections,
            }
            self._say(f"250 {json.dumps(answer)}")
        else:
            self._say("500 what?")

    def _read_piece(self, size: int) -> None:
        """The only chunk of a mail (RFC 3030). A fault at "data" is one at BDAT; the octets are read all the same."""
        fault = self._fault_at("data")
        answer = self._suffer(fault)
        if answer is None:
            self._suffer(self._fault_at("content"))
        while len(self.unread) < size:
            self.unread += self._read()
        content, self.unread = self.unread[:size], self.unread[size:]
        if fault and answer:
            self._note_refusal(fault, answer, self.recipients)
        elif self.recipients:
            self._take(content)
        else:
            self._say("503 RCPT first")

    def _read_content(self) -> None:
        self._suffer(self._fault_at("content"))
        self._take(self._content())

    def _take(self, content: bytes) -> None:
        fault = self._fault_at("dot")
        accept = bool(self.recipients) and (fault is None or fault.accept)
        if accept:
            self.server.take(
                Accepted(
                    connection=self.number,
                    sender=self.sender or "",
                    recipients=tuple(self.recipients),
                    message_id=_message_id(content),
                    subject=_subject(content),
                    content=content if self.keep_content else b"",
                    text=_notice_text(content),
                )
            )
        recipients = self.recipients
        self._forget()
        answer = self._suffer(fault)
        if fault and answer and answer[0] in "45":
            self._note_refusal(fault, answer, recipients)
        if answer is None:
            self._say("250 2.0.0 accepted" if accept else "554 5.5.1 no valid recipients")

    def _content(self) -> bytes:
        """What stands before the lone dot, without dot-stuffing."""
        # The CRLF before it makes the first line look like all others.
        text = bytearray(b"\r\n" + self.unread)
        seen = 0
        while (end := text.find(b"\r\n.\r\n", seen)) < 0:
            seen = max(0, len(text) - 4)
            text += self._read()
        self.unread = bytes(text[end + 5 :])
        return bytes(text[: end + 2]).replace(b"\r\n..", b"\r\n.")[2:]

    def _answer(self, step: Step, usual: str, *, about: list[str] | None = None) -> bool:
        """The usual answer, unless a fault is planned. True if it was a good one."""
        fault = self._fault_at(step, about)
        answer = self._suffer(fault, usual=usual)
        if fault and answer and answer[0] in "45":
            self._note_refusal(fault, answer, about or self.recipients)
        if answer is None:
            self._say(usual)
            answer = usual
        return answer[0] in "23"

    def _note_refusal(self, fault: Fault, answer: str, recipients: list[str]) -> None:
        if fault.step == "mail":
            self.refused_at_mail = fault
        else:
            self.server.note_refusal(fault, answer, recipients)

    def _fault_at(self, step: Step, about: list[str] | None = None) -> Fault | None:
        return self.server.fault_at(step, about or self.recipients, connection=self.number)

    def _suffer(self, fault: Fault | None, *, usual: str = "250 ok") -> str | None:
        """Does what the fault says; returns the answer that was given, None if none was."""
        if fault is None:
            return None
        answer = fault.answer or usual
        if fault.action == "answer":
            self._say(answer)
            return answer
        if fault.action == "late":
            self._flush()
            if self.server.stopping.wait(fault.pause):
                raise Over
            self._say(answer)
            return answer
        if fault.action == "tarpit":
            for octet in f"{answer}\r\n".encode():
                self._flush()
                self.sock.sendall(bytes([octet]))
                if self.server.stopping.wait(fault.pause):
                    raise Over
            return answer
        self._flush()
        if fault.action == "hang" and fault.step == "content":
            self.server.stopping.wait()
        elif fault.action == "hang":
            while self.sock.recv(65_536):
                pass
        elif fault.action == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            shut(self.sock)
        raise Over

    def _forget(self) -> None:
        self.sender = None
        self.recipients = []

    def _say(self, answer: str) -> None:
        self.answers.append(answer.encode() + b"\r\n")

    def _flush(self) -> None:
        if self.answers:
            waiting, self.answers = self.answers, []
            self.sock.sendall(b"".join(waiting))

    def _line(self) -> str:
        while (end := self.unread.find(b"\r\n")) < 0:
            self.unread += self._read()
        line, self.unread = self.unread[:end].decode("utf-8", "replace"), self.unread[end + 2 :]
        self.server.commands.append(line)
        return line

    def _read(self) -> bytes:
        self._flush()
        octets = self.sock.recv(262_144)
        if not octets:
            raise Over
        self.server.groups.append(octets.count(b"\r\n"))
        return octets


def shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _between_angles(command: str) -> str:
    return command[command.find("<") + 1 : command.rfind(">")]


def _message_id(content: bytes) -> str:
    found = re.search(rb"(?im)^message-id:\s*<([^>]*)>", content.partition(b"\r\n\r\n")[0])
    return found[1].decode() if found else ""


def _subject(content: bytes) -> str:
    """The subject as it stands in the header, not decoded."""
    found = re.search(rb"^Subject: (.*)\r$", content.partition(b"\r\n\r\n")[0] + b"\r\n", re.MULTILINE)
    return found[1].decode("ascii", "replace") if found else ""


NOTICE = re.compile(
    r"(Overdue|Declined|Late|Confirmed after all):|[0-9]+ notices,|Reminder: [0-9]+ assignments,"
)
"""How the subject of a notice to supervisors, and of a message with several reminders, begins."""


def _notice_text(content: bytes) -> str:
    """The text of such a message, decoded; '' for any other one."""
    if not NOTICE.match(_subject(content)):
        return ""
    body = message_from_bytes(content, policy=policy.default).get_body(("plain",))
    return str(body.get_content()) if body is not None else ""
