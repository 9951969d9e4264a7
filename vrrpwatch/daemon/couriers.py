"""Carries letters from the journal's outbox to their receivers: at least once, in order, again until it worked.

One thread per receiver, so that one that hangs holds up itself alone. A letter leaves the outbox when the receiver has
said 2xx; until then it survives restarts. Deadlines here are monotonic: a step of the clock does not stop a retry.
"""

from __future__ import annotations

import http.client
import logging
import random
import ssl
import threading
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vrrpexporters import alertmanager, webhook
from vrrpexporters.journal import Journal, Letter
from vrrpexporters.prometheus_sensor import Tally
from vrrpwatch import __version__
from vrrpwatch.config import Alertmanager, Webhook, receiver_name

from .scribe import notice_of

log = logging.getLogger(__name__)

FIRST_RETRY: Final = 1.0  # seconds; doubled up to LAST_RETRY
LAST_RETRY: Final = 300.0
GIVE_UP: Final = 86400.0  # seconds after which a letter is dropped
REFUSALS: Final = 8  # a receiver that answers 4xx so often does not want it (mended within some minutes, it gets it)
_PATIENT: Final = (408, 425, 429)


class Undelivered(Exception):
    """It did not work. `refused`: the receiver understood and said no."""

    def __init__(self, reason: str, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


def post(url: str, body: bytes, headers: Mapping[str, str], timeout: float, ca_file: Path | None) -> None:
    """POST; Undelivered unless the answer is 2xx. The message names no path of the URL: it may be a secret."""
    fields = {"User-Agent": f"vrrpwatch/{__version__}", "Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, body, fields, method="POST")  # noqa: S310 - http(s), checked with the file
    context = ssl.create_default_context(cafile=ca_file) if url.startswith("https") else None
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:  # noqa: S310
            answer.read(65536)
    except urllib.error.HTTPError as error:
        error.close()
        refused = 400 <= error.code < 500 and error.code not in _PATIENT
        raise Undelivered(f"it answered {error.code} {error.reason}", refused) from error
    except urllib.error.URLError as error:
        raise Undelivered(f"it cannot be reached: {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Undelivered(f"it cannot be reached: {str(error) or type(error).__name__}") from error


class Courier(ABC):
    """One receiver's thread."""

    def __init__(self, name: str, journal: Journal, tally: Tally) -> None:
        self.name = name
        self._journal, self._tally = journal, tally
        self._failures = 0
        self._retry = 0.0  # time.monotonic() before which nothing is tried
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"courier-{name}", daemon=True)
        for result in ("sent", "failed", "dropped"):
            tally.add(name, result, amount=0)

    def start(self) -> None:
        """Begin, in a thread; what an earlier run left behind goes first."""
        self._wake.set()
        self._thread.start()

    def kick(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def stop(self, seconds: float = 5.0) -> None:
        """One more round, then end; what is left stays in the journal."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            wait = max(self._retry - time.monotonic(), 0.0) if self._failures else self.idle()
            self._wake.wait(wait)
            self._wake.clear()
            last = self._stopping.is_set()
            if not self._failures or time.monotonic() >= self._retry or last:
                self._round()
            if last:
                return

    def _round(self) -> None:
        try:
            self.deliver()
            self._failures = 0
        except Undelivered as error:
            self._failures += 1
            pause = min(FIRST_RETRY * 2 ** (self._failures - 1), LAST_RETRY) * random.uniform(0.9, 1.1)
            self._retry = time.monotonic() + pause
            self._tally.add(self.name, "failed")
            level = logging.WARNING if self._failures == 1 else logging.DEBUG
            log.log(level, "%s was not told: %s; next try in %.0f s", self.name, error, pause)
            self._drop(error.refused)
        except Exception:
            self._failures += 1
            self._retry = time.monotonic() + LAST_RETRY
            self._tally.add(self.name, "failed")
            log.exception("telling %s failed", self.name)

    def _drop(self, refused: bool) -> None:
        """Give up what is too old, and what a receiver keeps refusing."""
        now = time.time()
        letters = self._journal.letters(self.name)
        old = [letter for letter in letters if now - letter.created > GIVE_UP]
        if refused and self._failures >= REFUSALS and letters and letters[0] not in old:
            old.append(letters[0])
            self._failures = 0
            self._wake.set()  # the next one may be to its liking
        if old:
            log.error("%s was not told of %d events, which are given up", self.name, len(old))
            for _ in old:
                self._tally.add(self.name, "dropped")
            self._journal.sent(old, now, finished=True)

    def idle(self) -> float:
        """Seconds until there may be something to do without a kick."""
        return 60.0

    @abstractmethod
    def deliver(self) -> None:
        """Send what is due; Undelivered when the receiver did not take it."""


class WebhookCourier(Courier):
    """Event by event, in their order."""

    def __init__(self, settings: Webhook, base: Path, journal: Journal, tally: Tally) -> None:
        super().__init__(receiver_name(settings), journal, tally)
        self._settings, self._base = settings, base

    def deliver(self) -> None:
        """All that wait; stops at the first that fails."""
        while letters := self._journal.letters(self.name, 50):
            for letter in letters:
                self._send(letter)
                self._journal.sent([letter], time.time(), finished=True)
                self._tally.add(self.name, "sent")
                self._failures = 0

    def _send(self, letter: Letter) -> None:
        settings = self._settings
        body = webhook.document(notice_of(letter), settings.template)
        secret = b""
        if settings.secret_file:
            try:
                secret = (self._base / settings.secret_file).read_bytes().strip()
            except OSError as error:
                raise Undelivered(f"{settings.secret_file} cannot be read: {error.strerror}") from error
        delivery = f"{letter.episode}-{letter.alertname}-{'resolved' if letter.ended else 'firing'}"
        fields = webhook.headers(delivery, str(int(time.time())), body, secret)
        ca_file = self._base / settings.ca_file if settings.ca_file else None
        post(settings.url, body, {**fields, **settings.headers}, settings.timeout, ca_file)


class AlertmanagerCourier(Courier):
    """The present state of all alerts, again and again."""

    def __init__(self, settings: Alertmanager, base: Path, journal: Journal, tally: Tally, url: str) -> None:
        super().__init__(receiver_name(settings), journal, tally)
        self._settings, self._base, self._generator = settings, base, url
        self._until_over = 60.0

    def idle(self) -> float:
        """A resolution that waits for `hold` to pass needs no kick."""
        return self._until_over

    def deliver(self) -> None:
        """One push with everything that is firing or has just ended."""
        now, settings = time.time(), self._settings
        letters = self._journal.letters(self.name, 2000)
        waits = [(x.first_sent or now) + settings.hold - now for x in letters if x.ended]
        self._until_over = min([60.0, *(max(wait, 0.2) for wait in waits)])
        if not letters:
            return
        pushes = {
            letter.id: alertmanager.Push(notice, alertmanager.is_over(notice, letter.first_sent, settings.hold, now))
            for letter in letters
            for notice in (notice_of(letter),)
        }
        rows = alertmanager.alerts(pushes.values(), now, settings.resend, settings.labels, self._generator)
        ca_file = self._base / settings.ca_file if settings.ca_file else None
        url = settings.url.rstrip("/") + alertmanager.PATH
        post(url, alertmanager.body(rows), settings.headers, settings.timeout, ca_file)
        self._journal.sent([x for x in letters if pushes[x.id].over], now, finished=True)
        self._journal.sent([x for x in letters if not pushes[x.id].over and x.first_sent is None], now, finished=False)
        for _ in rows:
            self._tally.add(self.name, "sent")
