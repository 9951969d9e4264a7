"""smtp_alert: which changes are worth a mail, what it says, and real conversations with a mail server on loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email import message_from_bytes
from typing import Any

import pytest

from tests.mail_sink import Sink
from vrrpcore.settings import GlobalDefs
from vrrpcore.speaker import mail as mailing
from vrrpcore.speaker.mail import Alerts, Mail, Mailer, compose

DEFS = GlobalDefs(
    router_id="r1",
    notification_email=("one@example.org", "two@example.org"),
    notification_email_from="from@example.org",
    smtp_server="127.0.0.1",
    smtp_helo_name="helo.example.org",
    smtp_connect_timeout_seconds=5,
)
NEWS = Mail("VRRP Instance VI_1 - Entering MASTER state", "=> VRRP Instance is now owning VRRP VIPs <=", 1795714917.0)


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)


class Office:
    """A mailer and what it reports."""

    def __init__(self, defs: GlobalDefs) -> None:
        self.reports: list[tuple[str, Any]] = []
        self.mailer = Mailer(defs, lambda kind, value: self.reports.append((kind, value)))

    @property
    def counts(self) -> dict[str, int]:
        found: dict[str, int] = [value for kind, value in self.reports if kind == "mail"][-1]
        return found

    @property
    def log(self) -> list[str]:
        return [value[1] for kind, value in self.reports if kind == "log"]


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink("127.0.0.1") as server:
        yield server


@pytest.fixture
def office(sink: Sink) -> Office:
    return Office(replace(DEFS, smtp_server_port=sink.port))


# -- which changes --


def subject(alerts: Alerts, *what: str, defs: GlobalDefs = DEFS) -> str:
    mail = alerts.mail(defs, what[0], what[1], what[2], 0.0)
    return mail.subject if mail else ""


def test_each_new_state_is_told_once() -> None:
    alerts = Alerts()
    assert subject(alerts, "INSTANCE", "V", "BACKUP") == "VRRP Instance V - Entering BACKUP state"
    assert subject(alerts, "INSTANCE", "V", "BACKUP") == ""
    assert subject(alerts, "GROUP", "V", "BACKUP") == "VRRP Group V - Entering BACKUP state"
    assert subject(alerts, "INSTANCE", "V", "STOP") == "VRRP Instance V - Stopping"
    assert subject(alerts, "INSTANCE", "V", "DELETED") == "VRRP Instance V - Deleted"
    alerts.forget("INSTANCE", "V")
    assert subject(alerts, "INSTANCE", "V", "DELETED") != ""


def test_without_mails_for_faults_the_way_there_and_back_is_not_told() -> None:
    alerts, quiet = Alerts(), replace(DEFS, email_faults=False)
    assert subject(alerts, "INSTANCE", "V", "BACKUP", defs=quiet) != ""
    assert subject(alerts, "INSTANCE", "V", "FAULT", defs=quiet) == ""
    assert subject(alerts, "INSTANCE", "V", "BACKUP", defs=quiet) == ""
    assert subject(alerts, "INSTANCE", "V", "FAULT") == "VRRP Instance V - Entering FAULT state"


@pytest.mark.parametrize("lacking", [{"notification_email": ()}, {"smtp_server": ""}])
def test_without_a_recipient_or_a_server_there_is_no_mail(lacking: dict[str, Any]) -> None:
    assert Alerts().mail(replace(DEFS, **lacking), "INSTANCE", "V", "MASTER", 0.0) is None


def test_what_is_missing_in_global_defs_is_the_host_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "lb1")
    message = message_from_bytes(compose(NEWS, replace(DEFS, router_id="", notification_email_from="")))
    assert message["Subject"].startswith("[lb1] VRRP Instance VI_1")
    assert message["From"] == "keepalived@lb1"


def test_a_router_id_that_is_no_ascii_is_encoded() -> None:
    assert b"Subject: =?utf-8?" in compose(NEWS, replace(DEFS, router_id="bücher"))


# -- the way to the server --


def test_a_mail_arrives_with_all_that_global_defs_say(sink: Sink, office: Office) -> None:
    office.mailer.post(NEWS)
    until(lambda: office.counts["sent"] == 1)
    (mail,) = sink.mails
    assert (mail.helo, mail.sender) == ("helo.example.org", "from@example.org")
    assert mail.recipients == ["one@example.org", "two@example.org"]
    assert mail.header("Subject") == "[r1] VRRP Instance VI_1 - Entering MASTER state"
    assert mail.header("To") == "one@example.org, two@example.org"
    assert mail.header("From") == "from@example.org"
    assert mail.header("Date").startswith(("Thu, 26 Nov 2026", "Fri, 27 Nov 2026"))
    assert mail.body == "=> VRRP Instance is now owning VRRP VIPs <="
    assert office.counts == {"sent": 1, "failed": 0, "waiting": 0}


def test_it_arrives_over_ipv6() -> None:
    with Sink("::1") as sink:
        office = Office(replace(DEFS, smtp_server="::1", smtp_server_port=sink.port))
        office.mailer.post(NEWS)
        until(lambda: sink.mails)


def test_mails_that_wait_together_share_a_connection(sink: Sink, office: Office) -> None:
    for number in range(20):
        office.mailer.post(replace(NEWS, subject=f"number {number}"))
    until(lambda: office.counts["sent"] == 20)
    assert [mail.header("Subject") for mail in sink.mails] == [f"[r1] number {number}" for number in range(20)]
    assert sink.connections < 20


def test_a_refused_mail_is_told_and_counted_and_the_next_one_arrives(sink: Sink, office: Office) -> None:
    sink.refuses = dict.fromkeys(DEFS.notification_email, "550 nobody here")
    office.mailer.post(replace(NEWS, subject="refused"))
    until(lambda: office.counts["failed"] == 1)
    assert [line for line in office.log if "mail not sent: refused: " in line and "550 nobody here" in line]
    sink.refuses = {"two@example.org": "550 nobody here"}
    office.mailer.post(NEWS)
    until(lambda: office.counts["sent"] == 1)
    assert sink.mails[-1].recipients == ["one@example.org"]
    assert "refuses recipient two@example.org: 550 nobody here" in office.log[-1]


def test_a_server_that_is_down_for_a_moment_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailing, "_PAUSES", (0.05,))
    with Sink("127.0.0.1") as gone:
        port = gone.port
    office = Office(replace(DEFS, smtp_server_port=port))
    office.mailer.post(NEWS)
    until(lambda: office.log)
    assert office.log[0].startswith("1 mail waits, next attempt in 0.05 s: mail server 127.0.0.1 port")
    with Sink("127.0.0.1", port) as sink:
        until(lambda: sink.mails)
    assert office.counts == {"sent": 1, "failed": 0, "waiting": 0}


def test_a_server_that_stays_away_costs_each_mail_its_line_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailing, "_PAUSES", (0.01,))
    monkeypatch.setattr(mailing, "_PATIENCE", 0.05)
    with Sink("127.0.0.1") as gone:
        port = gone.port
    office = Office(replace(DEFS, smtp_server_port=port))
    for name in ("first", "second"):
        office.mailer.post(replace(NEWS, subject=name))
    until(lambda: office.counts["failed"] == 2)
    lost = [line for line in office.log if line.startswith("mail not sent")]
    assert [line.split(": ")[1] for line in lost] == ["first", "second"]
    assert all("Connection refused" in line for line in lost)


def test_a_mute_server_keeps_nobody_waiting_and_what_it_held_is_told_at_the_end() -> None:
    with Sink("127.0.0.1", mute=True) as sink:
        office = Office(replace(DEFS, smtp_server_port=sink.port))
        begun = time.monotonic()
        for number in range(mailing._WAITING + 1):
            office.mailer.post(replace(NEWS, subject=f"number {number}"))
            until(lambda: sink.connections)
        assert time.monotonic() - begun < 2
        assert office.counts == {"sent": 0, "failed": 1, "waiting": mailing._WAITING}
        assert office.log == [f"mail not sent: number 0: {mailing._WAITING} others wait for the server"]
        office.mailer.close()
        office.mailer.abandon()
        assert office.mailer.waiting == 0
        assert office.counts["failed"] == mailing._WAITING + 1


def test_after_closing_each_mail_has_one_more_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailing, "_PAUSES", (60.0,))
    with Sink("127.0.0.1") as gone:
        port = gone.port
    office = Office(replace(DEFS, smtp_server_port=port))
    office.mailer.post(NEWS)
    until(lambda: office.log)
    with Sink("127.0.0.1", port):
        office.mailer.close()
        until(lambda: office.counts["sent"] == 1)


def test_an_address_that_cannot_be_written_is_told(sink: Sink, office: Office) -> None:
    office.mailer.defs = replace(office.mailer.defs, notification_email=("größe@example.org",))
    office.mailer.post(NEWS)
    until(lambda: office.counts["failed"] == 1)
    assert "an address is not ASCII" in office.log[0]
