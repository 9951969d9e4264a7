"""From an episode to a receiver: at least once, in order, over failures and restarts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.exporters.samples import T0, episode, judgement, router, split_router
from vrrpexporters.journal import Journal
from vrrpexporters.prometheus_sensor import Tally
from vrrpexporters.webhook import signature
from vrrpwatch.config import Alertmanager, Webhook
from vrrpwatch.daemon import couriers
from vrrpwatch.daemon.couriers import AlertmanagerCourier, Courier, Undelivered, WebhookCourier
from vrrpwatch.daemon.scribe import Receiver, Scribe, notice_of
from vrrpwatch.daemon.sensor import Board

HOOK = Receiver("hook", state=False)
STATE = Receiver("manager", state=True)


class Listener(ThreadingHTTPServer):
    """Keeps what is posted, and answers as told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.posted: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook/secret-path"

    def documents(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.posted]


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.posted.append((self.path, dict(self.headers.items()), body))
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def samples_are_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples' times are of a fixed day in the past; what is a day old would be given up."""
    monkeypatch.setattr(couriers, "GIVE_UP", float("inf"))


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def scribe(journal: Journal, *receivers: Receiver) -> Scribe:
    made = Scribe(Board(), journal, "host-a")
    made.receivers = receivers
    made.runbooks = "https://example.net/"
    return made


def said(journal: Journal, receiver: str = "hook") -> list[tuple[str, str]]:
    """(alert, status) of what waits for a receiver."""
    return [(x.alertname, "resolved" if x.ended else "firing") for x in journal.letters(receiver)]


# The scribe


def test_an_episode_is_told_when_it_begins_and_when_it_ends_and_not_in_between() -> None:
    journal = Journal(None)
    pen = scribe(journal, HOOK)
    for n in range(3):
        pen.write(judgement(split_router()), T0 + n)
    assert said(journal) == [("VrrpSplitBrain", "firing")]
    for n in range(3):
        pen.write(judgement(split_router(end=T0 + 3)), T0 + 4 + n)
    assert said(journal) == [("VrrpSplitBrain", "firing"), ("VrrpSplitBrain", "resolved")]


def test_an_episode_that_was_over_before_it_was_seen_is_told_as_a_beginning_and_an_end() -> None:
    journal = Journal(None)
    scribe(journal, HOOK).write(judgement(split_router(start=T0 - 0.3, end=T0)), T0 + 1)
    assert said(journal) == [("VrrpSplitBrain", "firing"), ("VrrpSplitBrain", "resolved")]
    first, second = map(notice_of, journal.letters("hook"))
    assert (first.ended, second.ended) == (None, T0)


def test_an_episode_whose_class_is_revised_ends_under_its_old_name() -> None:
    journal = Journal(None)
    pen = scribe(journal, HOOK)
    before = replace(episode("residual_vip", "crashed"), id="x")
    pen.write(judgement(router(51, episodes=(before,))), T0)
    pen.write(judgement(router(51, episodes=(replace(before, cls="split_brain"),))), T0 + 1)
    assert said(journal) == [
        ("VrrpResidualAddress", "firing"),
        ("VrrpResidualAddress", "resolved"),
        ("VrrpSplitBrain", "firing"),
    ]


def test_nothing_is_told_twice_over_a_restart(tmp_path: Path) -> None:
    for _ in range(3):
        journal = Journal(tmp_path / "journal.db")
        scribe(journal, HOOK).write(judgement(split_router()), T0)
        assert said(journal) == [("VrrpSplitBrain", "firing")]
        journal.close()


def test_receivers_get_only_what_they_want() -> None:
    journal = Journal(None)
    pen = scribe(
        journal, replace(HOOK, name="critical", minimum="critical"), replace(HOOK, name="firing", resolved=False)
    )
    flap = replace(episode("flapping", "preempted", end=T0), id="y")
    pen.write(judgement(split_router(end=T0), router(52, episodes=(flap,))), T0 + 1)
    assert said(journal, "critical") == [("VrrpSplitBrain", "firing"), ("VrrpSplitBrain", "resolved")]
    assert said(journal, "firing") == [("VrrpSplitBrain", "firing"), ("VrrpMasterFlapping", "firing")]


def test_an_episode_that_the_judge_forgot_while_it_fired_is_over() -> None:
    journal = Journal(None)
    pen = scribe(journal, HOOK)
    pen.write(judgement(split_router()), T0)
    pen.write(judgement(), T0 + 30)
    assert len(said(journal)) == 1
    pen.write(judgement(), T0 + 61)
    assert said(journal)[1] == ("VrrpSplitBrain", "resolved")


def test_a_journal_that_fails_is_counted_and_tried_again() -> None:
    failures: list[str] = []
    journal = Journal(None)
    pen = Scribe(Board(), journal, "host-a", failed=lambda name, error: failures.append(name))
    pen.receivers = (HOOK,)
    commit = journal.commit
    journal.commit = lambda entry, now: (_ for _ in ()).throw(RuntimeError("no"))  # type: ignore[method-assign]
    shot = Board().latest()
    pen._take(replace(shot, judgement=judgement(split_router()), time=T0))
    journal.commit = commit  # type: ignore[method-assign]
    pen._take(replace(shot, judgement=judgement(split_router()), time=T0))
    assert failures == ["journal"]
    assert len(said(journal)) == 1


# The couriers


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "FIRST_RETRY", 0.02)
    monkeypatch.setattr(couriers, "LAST_RETRY", 0.1)


def hook(listener: Listener, journal: Journal, base: Path = Path(), **more: Any) -> tuple[WebhookCourier, Tally]:
    tally = Tally()
    return WebhookCourier(Webhook(listener.url, "hook", **more), base, journal, tally), tally


@pytest.mark.usefixtures("quick")
def test_a_webhook_is_told_in_order_and_signed(listener: Listener, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key\n")
    journal = Journal(None)
    scribe(journal, HOOK).write(judgement(split_router(end=T0)), T0 + 1)
    courier, tally = hook(listener, journal, tmp_path, secret_file="secret", headers={"X-Team": "net"})
    courier.start()
    wait_until(lambda: len(listener.posted) == 2)
    courier.stop()
    assert [row["status"] for row in listener.documents()] == ["firing", "resolved"]
    path, headers, body = listener.posted[0]
    assert (path, headers["X-Team"]) == ("/hook/secret-path", "net")
    assert headers["X-Vrrpwatch-Signature"] == signature(b"key", headers["X-Vrrpwatch-Timestamp"], body)
    assert listener.posted[0][1]["X-Vrrpwatch-Delivery"] != listener.posted[1][1]["X-Vrrpwatch-Delivery"]
    assert tally.rows()["hook", "sent"] == 2
    assert journal.letters("hook") == []


@pytest.mark.usefixtures("quick")
def test_a_receiver_that_fails_is_tried_again_until_it_works(listener: Listener) -> None:
    listener.answers = [500, 503, 429, 404]
    journal = Journal(None)
    scribe(journal, HOOK).write(judgement(split_router(end=T0)), T0 + 1)
    courier, tally = hook(listener, journal)
    courier.start()
    wait_until(lambda: len(listener.posted) == 2)
    courier.stop()
    assert [row["status"] for row in listener.documents()] == ["firing", "resolved"]
    assert (tally.rows()["hook", "failed"], tally.rows()["hook", "dropped"]) == (4, 0)


@pytest.mark.usefixtures("quick")
def test_what_was_not_told_before_a_restart_is_told_after_it(listener: Listener, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    scribe(journal, HOOK).write(judgement(split_router()), T0)
    nobody = Webhook("http://127.0.0.1:9/", "hook", timeout=1)
    courier: Courier = WebhookCourier(nobody, Path(), journal, Tally())
    courier.start()
    courier.stop()
    journal.close()
    journal = Journal(tmp_path / "journal.db")
    courier, _ = hook(listener, journal)
    courier.start()
    wait_until(lambda: listener.posted)
    courier.stop()
    assert listener.documents()[0]["alertname"] == "VrrpSplitBrain"


@pytest.mark.usefixtures("quick")
def test_a_letter_that_is_refused_for_good_does_not_hold_up_the_others(listener: Listener) -> None:
    listener.answers = [400] * couriers.REFUSALS
    journal = Journal(None)
    scribe(journal, HOOK).write(judgement(split_router(end=T0)), T0 + 1)
    courier, tally = hook(listener, journal)
    courier.start()
    wait_until(lambda: listener.posted)
    courier.stop()
    assert [row["status"] for row in listener.documents()] == ["resolved"]
    assert tally.rows()["hook", "dropped"] == 1


def test_the_reason_of_a_failure_does_not_show_the_path_of_the_url(listener: Listener) -> None:
    listener.answers = [403]
    with pytest.raises(Undelivered) as caught:
        couriers.post(listener.url, b"{}", {}, 5, None)
    assert "403" in str(caught.value)
    assert "secret-path" not in str(caught.value)


def manager(listener: Listener, journal: Journal, **more: Any) -> AlertmanagerCourier:
    url = f"http://127.0.0.1:{listener.server_address[1]}/prefix/"
    return AlertmanagerCourier(Alertmanager(url, "manager", **more), Path(), journal, Tally(), "http://host-a:10112/")


def test_alertmanager_is_told_again_and_again_and_at_last_that_it_is_over(listener: Listener) -> None:
    journal = Journal(None)
    pen, courier = scribe(journal, STATE), manager(listener, journal, hold=0.0, resend=60.0)
    pen.write(judgement(split_router()), T0)
    courier.deliver()
    courier.deliver()
    pen.write(judgement(split_router(end=T0 + 5)), T0 + 6)
    courier.deliver()
    courier.deliver()
    assert {path for path, _, _ in listener.posted} == {"/prefix/api/v2/alerts"}
    now = time.strftime("%Y-%m-%dT%H:%M", time.gmtime())
    ends = [row["endsAt"] for (row,) in listener.documents()]
    assert len(ends) == 3
    assert ends[0] > now
    assert ends[2] < ends[1]
    assert journal.letters("manager") == []


def test_a_short_episode_is_pushed_as_firing_for_a_while(listener: Listener) -> None:
    journal = Journal(None)
    pen, courier = scribe(journal, STATE), manager(listener, journal, hold=3600.0, resend=60.0)
    pen.write(judgement(split_router(start=T0 - 0.3, end=T0)), T0 + 1)
    courier.deliver()
    courier.deliver()
    ends = [row["endsAt"] for (row,) in listener.documents()]
    assert len(ends) == 2
    assert min(ends) > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    assert len(journal.letters("manager")) == 1


def test_a_receiver_that_hangs_does_not_hold_up_the_end_of_the_daemon(listener: Listener) -> None:
    journal = Journal(None)
    scribe(journal, HOOK).write(judgement(split_router()), T0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as silent:  # accepts, and never answers
        courier = WebhookCourier(
            Webhook(f"http://127.0.0.1:{silent.server_address[1]}/", "hook", timeout=60), Path(), journal, Tally()
        )
        courier.start()
        courier.stop(0.2)
    assert len(journal.letters("hook")) == 1
