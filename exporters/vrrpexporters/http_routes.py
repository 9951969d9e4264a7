"""What is served where: `/` for people, `/metrics`, health, verdicts as JSON, service discovery; 404 for the rest."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from .http_message import Request, Response
from .http_status import status_page
from .prometheus import Exposition
from .snapshot import Instance, Snapshot, recent, service_discovery

#: The capture loop publishes at least every few seconds, frames or none.
HEALTHY_SECONDS: Final = 30.0
#: What `/api/v1/verdicts` looks back on unless `?window=SECONDS` says otherwise.
DEFAULT_WINDOW: Final = 60.0


@dataclass(slots=True)
class Pages:
    """The application behind the server: a request in, a response out."""

    exposition: Exposition
    snapshot: Callable[[], Snapshot]
    instances: Callable[[], Sequence[Instance]]
    version: str
    started: float  # time.monotonic()

    def __call__(self, request: Request) -> Response:
        routes: dict[str, Callable[[Request], Response]] = {
            "/": self._status,
            "/metrics": self._metrics,
            "/-/healthy": self._healthy,
            "/-/ready": self._ready,
            "/api/v1/verdicts": self._verdicts,
            "/sd": self._sd,
        }
        page = routes.get(request.path)
        if page is None:
            return Response.text(HTTPStatus.NOT_FOUND, f"no such page; there are {' '.join(routes)}")
        return page(request)

    def _metrics(self, request: Request) -> Response:
        body, content_type = self.exposition.render(request.headers.get("accept", ""))
        return Response(HTTPStatus.OK, body, content_type)

    def _status(self, request: Request) -> Response:
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
        page = status_page(self.snapshot(), self.instances(), self.version)
        return Response(HTTPStatus.OK, page.encode("utf-8", "replace"), "text/html; charset=utf-8", policy)

    def _healthy(self, request: Request) -> Response:
        snapshot = self.snapshot()
        age = time.monotonic() - (snapshot.monotonic if snapshot.sequence else self.started)
        if age > HEALTHY_SECONDS:
            return Response.text(HTTPStatus.SERVICE_UNAVAILABLE, f"the capture loop has not reported for {age:.0f} s")
        return Response.text(HTTPStatus.OK, "vrrpwatch is healthy.")

    def _ready(self, request: Request) -> Response:
        snapshot = self.snapshot()
        if not snapshot.sequence:
            return Response.text(HTTPStatus.SERVICE_UNAVAILABLE, "nothing was captured yet")
        if not any(row.up for row in snapshot.sniffers):
            reasons = "; ".join(f"{row.interface}: {row.error or 'down'}" for row in snapshot.sniffers)
            return Response.text(
                HTTPStatus.SERVICE_UNAVAILABLE, f"no interface is captured: {reasons or 'none chosen'}"
            )
        return Response.text(HTTPStatus.OK, "vrrpwatch is ready.")

    def _verdicts(self, request: Request) -> Response:
        """The judgement as JSON over the last `window` seconds (`all`: as far back as is remembered)."""
        asked = request.query.get("window", [str(DEFAULT_WINDOW)])[-1]
        judgement = self.snapshot().judgement
        if asked != "all":
            try:
                seconds = float(asked)
            except ValueError:
                seconds = math.nan
            if not 0 <= seconds < math.inf:
                return Response.text(HTTPStatus.BAD_REQUEST, "window is a number of seconds, or `all`")
            judgement = recent(judgement, seconds)
        return _json(judgement.as_json())

    def _sd(self, request: Request) -> Response:
        return _json(service_discovery(self.snapshot().judgement))


def _json(value: object) -> Response:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(HTTPStatus.OK, body, "application/json")
