"""A gateway with Twilio's Messages API on loopback: takes messages, refuses as documented, calls back, passes on replies.

It can misbehave at every step, as tests want it to.
"""

import base64
import itertools
import json
import re
import ssl
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, quote, urlencode

from notifications.channels.sms import alphabet
from notifications.channels.sms.signature import HEADER, signature

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "f0e1d2c3b4a5968778695a4b3c2d1e0f"
SENDER = "+493012345670"
MOST_CHARACTERS = 1_600
STOP_WORDS = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"}
START_WORDS = {"START", "YES", "UNSTOP"}
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")

TEXTS = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "An internal server error has occurred"),
    20503: (503, "Service Unavailable"),
    21211: (400, "Invalid 'To' Phone Number: {to}"),
    21408: (
        403,
        "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}",
    ),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (429, "This 'From' number has exceeded the maximum number of queued messages"),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
}
"""The documented answers: HTTP status and text of each error code."""


@dataclass(frozen=True)
class Taken:
    """One message that the gateway has accepted."""

    sid: str
    to: str
    sender: str
    body: str
    callback: str


@dataclass(frozen=True)
class Answer:
    """What our side answered to a callback or a reply."""

    status: int
    content_type: str
    text: str

    @property
    def messages(self) -> list[str]:
        """The texts of the TwiML."""
        found = re.findall(r"<Message>(.*?)</Message>", self.text, re.DOTALL)
        return [one.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for one in found]


@dataclass
class SmsGateway:
    """Listens on a free port of 127.0.0.1.

    `stop_at` is "accept" (silent from the start), "request" (closes before it has read the body), "answer" (takes a message,
    then closes), "silence" (takes it and says nothing), "cut" (closes within the body of its answer) or "drip" (an answer
    that never ends). `refuse` are error codes for the next requests, one each; `refuse_number` one for each number.
    `hang_up_after` is after how many requests a connection is closed without a word, as after an idle time.
    """

    stop_at: str = ""
    refuse: list[int] = field(default_factory=list)
    refuse_number: dict[str, int] = field(default_factory=dict)
    retry_after: str = ""
    hang_up_after: int = 0
    tls: ssl.SSLContext | None = None
    token: str = TOKEN
    taken: list[Taken] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    opted_out: set[str] = field(default_factory=set)
    connections: int = 0

    def __enter__(self) -> "SmsGateway":
        self._numbers = itertools.count(1)
        self.over = threading.Event()
        gateway = self

        class Conversation(_Conversation):
            pass

        Conversation.gateway = gateway
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Conversation)
        self._server.daemon_threads = True
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join(timeout=30)
        self._server.server_close()

    @property
    def url(self) -> str:
        """SMS_URL for this gateway."""
        scheme = "twilio" if self.tls else "twilio+http"
        return f"{scheme}://{ACCOUNT}:{quote(TOKEN)}@127.0.0.1:{self.port}?from={SENDER}"

    def take(self, fields: dict[str, str]) -> tuple[int, dict[str, object]]:
        """What a message is answered: 201 and the resource, or an error as documented."""
        to = fields.get("To", "")
        code = self.refuse.pop(0) if self.refuse else self.refuse_number.get(to, 0)
        sender = fields.get("From") or fields.get("MessagingServiceSid", "")
        if not code:
            if not NUMBER.fullmatch(to):
                code = 21211
            elif not sender:
                code = 21603
            elif not fields.get("Body"):
                code = 21602
            elif len(fields["Body"]) > MOST_CHARACTERS:
                code = 21617
            elif to in self.opted_out:
                code = 21610
        if code:
            return self.error(code, to)
        sid = f"SM{next(self._numbers):032x}"
        self.taken.append(Taken(sid, to, sender, fields["Body"], fields.get("StatusCallback", "")))
        now = format_datetime(datetime.now(UTC))
        return 201, {
            "sid": sid,
            "account_sid": ACCOUNT,
            "to": to,
            "from": fields.get("From"),
            "body": fields["Body"],
            "status": "queued",
            "num_segments": str(alphabet.size(fields["Body"]).segments),
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "date_created": now,
        }

    @staticmethod
    def error(code: int, to: str = "") -> tuple[int, dict[str, object]]:
        status, text = TEXTS.get(code, (400, "Refused"))
        page = f"https://www.twilio.com/docs/errors/{code}"
        return status, {"code": code, "message": text.format(to=to), "more_info": page, "status": status}

    # --- what the gateway posts to us ---

    def status(self, message: Taken, status: str, *, error: int | None = None) -> dict[str, str]:
        """The parameters of a status callback."""
        fields = {
            "MessageSid": message.sid,
            "MessageStatus": status,
            "SmsSid": message.sid,
            "SmsStatus": status,
            "AccountSid": ACCOUNT,
            "To": message.to,
            "From": message.sender,
            "ApiVersion": "2010-04-01",
        }
        return {**fields, **({"ErrorCode": str(error)} if error else {})}

    def reply(self, sender: str, body: str, *, sid: str = "") -> dict[str, str]:
        """The parameters of an incoming message; the gateway notes the words that it acts on itself."""
        word = body.strip().upper()
        if word in STOP_WORDS:
            self.opted_out.add(sender)
        elif word in START_WORDS:
            self.opted_out.discard(sender)
        sid = sid or f"SM{next(self._numbers) + 0xF0000000:032x}"
        return {
            "MessageSid": sid,
            "SmsSid": sid,
            "AccountSid": ACCOUNT,
            "From": sender,
            "To": SENDER,
            "Body": body,
            "NumMedia": "0",
            "NumSegments": "1",
            "ApiVersion": "2010-04-01",
        }

    def post(self, url: str, fields: dict[str, str], *, at: str = "", token: str = "") -> Answer:
        """Posts these parameters with the signature for this URL, over the network: to `at`, if web listens there."""
        request = urllib.request.Request(
            at or url,
            data=urlencode(fields).encode(),
            headers={
                HEADER: signed(url, fields, token=token or self.token),
                "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
                "User-Agent": "TwilioProxy/1.1",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers.get("Content-Type", ""), answer.read().decode())
        except urllib.error.HTTPError as refusal:
            return Answer(refusal.code, refusal.headers.get("Content-Type", ""), refusal.read().decode())


def signed(url: str, fields: dict[str, str], *, token: str = TOKEN) -> str:
    """The header that Twilio sends with these parameters."""
    return signature(token, url, {name: [value] for name, value in fields.items()})


class _Conversation(BaseHTTPRequestHandler):
    gateway: SmsGateway
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.gateway.connections += 1
        self.requests = 0

    def handle(self) -> None:
        if self.gateway.stop_at == "accept":
            self.gateway.over.wait(30)
            return
        super().handle()

    def do_GET(self) -> None:
        self.gateway.asked.append(self.path)
        if self._known(".json"):
            self._answer(200, {"sid": ACCOUNT, "status": "active"})

    def do_POST(self) -> None:
        gateway = self.gateway
        if gateway.stop_at == "request":
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        gateway.asked.append(self.path)
        if not self._known("/Messages.json"):
            return
        fields = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        status, answer = gateway.take(fields)
        if gateway.stop_at == "answer":
            self.close_connection = True
        elif gateway.stop_at == "silence":
            self.close_connection = True
            gateway.over.wait(30)
        elif gateway.stop_at == "drip":
            self.close_connection = True
            while not gateway.over.wait(0.02):
                self.wfile.write(b"X")
        else:
            self._answer(status, answer)

    def _known(self, end: str) -> bool:
        """Whether path and credentials are the account's; else the request is answered."""
        login = base64.b64encode(f"{ACCOUNT}:{self.gateway.token}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {login}":
            self._answer(*self.gateway.error(20003))
            return False
        if self.path != f"/2010-04-01/Accounts/{ACCOUNT}{end}":
            self._answer(*self.gateway.error(20404))
            return False
        return True

    def _answer(self, status: int, answer: dict[str, object]) -> None:
        octets = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json;charset=utf-8")
        self.send_header("Content-Length", str(len(octets)))
        if self.gateway.retry_after and status >= 400:
            self.send_header("Retry-After", self.gateway.retry_after)
        self.end_headers()
        if self.gateway.stop_at == "cut":
            octets, self.close_connection = octets[:10], True
        self.wfile.write(octets)
        self.requests += 1
        if self.requests == self.gateway.hang_up_after:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
