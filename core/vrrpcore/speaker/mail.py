"""Mail about changes of state (smtp_alert): which change is worth one, what it says, and its way to the server.

`Alerts` decides and `compose` writes, both without any input or output; `Mailer` delivers in a thread of its own, so
that a mail server that is slow or dead keeps nobody waiting. Nothing is lost in silence: what could not be delivered is
logged, one line for each mail, and counted.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vrrpcore.settings import GlobalDefs

if TYPE_CHECKING:
    import smtplib

_WAITING: Final = 200  # mails that may wait for the server; beyond that the oldest is given up
_PATIENCE: Final = 600.0  # seconds that a mail may wait for a server that does not answer
_PAUSES: Final = (5.0, 10.0, 20.0, 40.0, 60.0)  # seconds between attempts; the last one from then on

_NO_LONGER: Final = "=> VRRP Instance is no longer owning VRRP VIPs <="
#: (kind, state) -> what keepalived writes into subject and body
_WORDS: Final = {
    ("INSTANCE", "MASTER"): ("Entering MASTER state", "=> VRRP Instance is now owning VRRP VIPs <="),
    ("INSTANCE", "BACKUP"): ("Entering BACKUP state", _NO_LONGER),
    ("INSTANCE", "FAULT"): ("Entering FAULT state", _NO_LONGER),
    ("INSTANCE", "STOP"): ("Stopping", "=> VRRP Instance stopping <="),
    ("INSTANCE", "DELETED"): ("Deleted", "=> VRRP Deleted at reload <="),
    ("GROUP", "MASTER"): ("Entering MASTER state", "=> All VRRP group instances are now in MASTER state <="),
    ("GROUP", "BACKUP"): ("Entering BACKUP state", "=> All VRRP group instances are now in BACKUP state <="),
    ("GROUP", "FAULT"): ("Entering FAULT state", "=> All VRRP group instances are now in FAULT state <="),
    ("GROUP", "STOP"): ("Stopping", "=> All VRRP group instances are now stopping <="),
}
_TITLES: Final = {"INSTANCE": "VRRP Instance", "GROUP": "VRRP Group"}


@dataclass(frozen=True, slots=True)
class Mail:
    """What is to be told; subject without the router's name."""

    subject: str
    body: str
    time: float  # of the event, epoch seconds


class Alerts:
    """Remembers which state the last mail about each instance and group told."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], str] = {}

    def mail(self, defs: GlobalDefs, kind: str, name: str, state: str, now: float) -> Mail | None:
        """The mail about a change to `state` of an INSTANCE or GROUP that asks for mails; None when there is none:
        no recipient or server, a fault under no_email_faults, a state that the last mail told already."""
        words = _WORDS.get((kind, state))
        unwanted = state == "FAULT" and not defs.email_faults
        if words is None or unwanted or not (defs.notification_email and defs.smtp_server):
            return None
        if self._told.get((kind, name)) == state:
            return None
        self._told[kind, name] = state
        return Mail(f"{_TITLES[kind]} {name} - {words[0]}", words[1], now)

    def forget(self, kind: str, name: str) -> None:
        """It was deleted: one of the same name begins anew."""
        self._told.pop((kind, name), None)


def sender(defs: GlobalDefs) -> str:
    """From whom mails are."""
    return defs.notification_email_from or f"keepalived@{socket.gethostname()}"


def compose(mail: Mail, defs: GlobalDefs) -> bytes:
    """The message with its headers, as RFC 5322 has it."""
    from email.header import Header
    from email.utils import formatdate, make_msgid

    host = socket.gethostname()
    subject = f"[{defs.router_id or host}] {mail.subject}"
    lines = (
        f"Date: {formatdate(mail.time, localtime=True)}",
        f"From: {sender(defs)}",
        f"Subject: {subject if subject.isascii() else Header(subject, 'utf-8').encode()}",
        "X-Mailer: vrrpwatch",
        "Auto-Submitted: auto-generated",
        f"Message-ID: {make_msgid(domain=host)}",
        f"To: {', '.join(defs.notification_email)}",
        "",
        mail.body,
        "",
    )
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


class Mailer:
    """Delivers mails one after the other, over one connection as long as there are some."""

    def __init__(self, defs: GlobalDefs, report: Callable[[str, Any], object]) -> None:
        """`report("log", (level, line))` and `report("mail", {"sent": n, "failed": n, "waiting": n})`: called from
        the thread, too."""
        self.defs = defs
        self._report = report
        self._queue: deque[tuple[Mail, float]] = deque()  # with the (monotonic) time of posting
        self._change = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._client: smtplib.SMTP | None = None
        self._failures = 0  # attempts in a row that did not reach the server
        self._counts = {"sent": 0, "failed": 0}

    @property
    def waiting(self) -> int:
        """Mails that are not delivered yet."""
        return len(self._queue)

    def post(self, mail: Mail) -> None:
        """Deliver a mail some time soon; never waits."""
        with self._change:
            if len(self._queue) >= _WAITING:
                self._lost(f"{_WAITING} others wait for the server")
            self._queue.append((mail, time.monotonic()))
            self._count()
            self._change.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """From now on each mail has one more attempt, and no pause between them."""
        with self._change:
            self._closing = True
            self._change.notify()

    def abandon(self) -> None:
        """No more attempts: what still waits is lost."""
        with self._change:
            while self._queue:
                self._lost("the speaker has ended")

    def _count(self) -> None:
        self._report("mail", {**self._counts, "waiting": len(self._queue)})

    def _lost(self, why: str) -> None:
        """Give up the mail that has waited longest."""
        mail, _ = self._queue.popleft()
        self._counts["failed"] += 1
        self._report("log", ("error", f"mail not sent: {mail.subject}: {why}"))
        self._count()

    # -- in the thread --

    def _work(self) -> None:
        while True:
            mail, posted = self._next()
            try:
                why, again = self._deliver(mail)
            except Exception as error:  # noqa: BLE001 (whatever it is: this thread must live, and the mail be told of)
                why, again = f"internal error: {error!r}", False
            with self._change:
                if self._queue and self._queue[0][0] is mail:  # else it was given up meanwhile, and that was told
                    self._settle(why, again and time.monotonic() - posted < _PATIENCE)

    def _next(self) -> tuple[Mail, float]:
        """The mail that has waited longest; the server is left alone while there is none."""
        with self._change:
            if self._queue:
                return self._queue[0]
        self._hang_up()
        with self._change:
            self._change.wait_for(lambda: self._queue)
            return self._queue[0]

    def _settle(self, why: str, again: bool) -> None:
        """After an attempt: `why` it failed, "" when it did not, and whether another one is sensible."""
        if not why:
            self._failures = 0
            self._queue.popleft()
            self._counts["sent"] += 1
            self._count()
        elif self._closing or not again:
            self._lost(why)
        else:
            pause = _PAUSES[min(self._failures, len(_PAUSES) - 1)]
            self._failures += 1
            what = "1 mail waits" if len(self._queue) == 1 else f"{len(self._queue)} mails wait"
            self._report("log", ("warning", f"{what}, next attempt in {pause:g} s: {why}"))
            self._change.wait_for(lambda: self._closing, pause)

    def _deliver(self, mail: Mail) -> tuple[str, bool]:
        """One attempt: ("", False) when the server took the mail, else why not and whether to try again."""
        import smtplib

        defs = self.defs
        where = f"mail server {defs.smtp_server} port {defs.smtp_server_port}"
        try:
            client = self._connect(defs)
            refused = client.sendmail(sender(defs), defs.notification_email, compose(mail, defs))
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = min(error.recipients.values())
            return f"{where} refuses all recipients: {_words(code, answer)}", code < 500
        except smtplib.SMTPResponseException as error:
            self._hang_up()
            return f"{where} says {_words(error.smtp_code, error.smtp_error)}", error.smtp_code < 500
        except UnicodeError as error:
            return f"an address is not ASCII: {error}", False
        except (OSError, smtplib.SMTPException) as error:
            self._hang_up()
            return f"{where}: {getattr(error, 'strerror', None) or error}", True
        for recipient, (code, answer) in refused.items():
            self._report("log", ("warning", f"{where} refuses recipient {recipient}: {_words(code, answer)}"))
        return "", False

    def _connect(self, defs: GlobalDefs) -> smtplib.SMTP:
        import smtplib

        if self._client is None:
            name = defs.smtp_helo_name or socket.gethostname()
            client = smtplib.SMTP(local_hostname=name, timeout=defs.smtp_connect_timeout_seconds or 30.0)
            code, answer = client.connect(defs.smtp_server, defs.smtp_server_port)
            if code != 220:
                client.close()
                raise smtplib.SMTPConnectError(code, answer)
            self._client = client
        return self._client

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.quit()
        except OSError:  # smtplib's errors are OSErrors: it has gone already
            client.close()


def _words(code: int, answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return f"{code} {' '.join(text.split())}"
