"""HTTP/1.1 requests and responses as values (RFC 9110, RFC 9112); just what a scrape target needs. No socket here."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

#: Request line and header fields together; a scrape's are some hundred octets.
MAX_HEAD = 16 * 1024
_GZIP_FROM = 860  # octets: below, compressing costs more than it saves


class BadRequest(Exception):
    """A request that cannot be answered otherwise than by `status`; the connection closes after it."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are lower case; a field that occurs twice is joined by commas (RFC 9110 §5.3)."""

    method: str
    path: str  # decoded, without the query
    query: dict[str, list[str]]
    headers: dict[str, str]
    keep_alive: bool

    def accepts_gzip(self) -> bool:
        """Whether the client would have gzip (RFC 9110 §12.5.3); `gzip;q=0` says that it would not."""
        for choice in self.headers.get("accept-encoding", "").split(","):
            coding, _, weight = choice.partition(";")
            if coding.strip().lower() in ("gzip", "x-gzip", "*"):
                return weight.replace(" ", "").rstrip("0").rstrip(".") not in ("q=", "q=0")
        return False


@dataclass(frozen=True, slots=True)
class Response:
    """One response; `fields` are further header fields."""

    status: HTTPStatus = HTTPStatus.OK
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    fields: dict[str, str] = field(default_factory=dict)

    @classmethod
    def text(cls, status: HTTPStatus, line: str) -> Response:
        """A plain line."""
        return cls(status, f"{line}\n".encode())


def parse_head(head: bytes) -> Request:
    """The octets up to and including the empty line -> Request; BadRequest with its status otherwise."""
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/"):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "not an HTTP request")
    method, target, version = parts
    if version not in ("HTTP/1.0", "HTTP/1.1"):
        raise BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.0 and HTTP/1.1 are served")
    headers = _parse_fields(lines[1:])
    if version == "HTTP/1.1" and "host" not in headers:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "a Host field is required")
    if headers.get("content-length", "0").strip() != "0" or "transfer-encoding" in headers:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no request here has a body")
    try:
        url = urlsplit(target)
        query = parse_qs(url.query, keep_blank_values=True, max_num_fields=64)
    except ValueError as error:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "not a request target") from error
    connection = {token.strip().lower() for token in headers.get("connection", "").split(",")}
    keep = "close" not in connection and (version == "HTTP/1.1" or "keep-alive" in connection)
    return Request(method, unquote(url.path), query, headers, keep)


def _parse_fields(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        if not line:
            continue
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or "\r" in line or "\n" in line or "\0" in line:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "not a header field")
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return headers


def render(response: Response, request: Request | None, fields: dict[str, str], keep_alive: bool) -> bytes:
    """The octets of a response: compressed where wanted and worth it, without its body for HEAD."""
    body = response.body
    head = {"Content-Type": response.content_type, **fields, **response.fields}
    if request is not None and len(body) >= _GZIP_FROM and "Content-Encoding" not in head:
        head["Vary"] = "Accept-Encoding, Accept"
        if request.accepts_gzip():
            body = gzip.compress(body, compresslevel=1, mtime=0)  # level 9 costs 5x the time for 10 % of the size
            head["Content-Encoding"] = "gzip"
    head["Content-Length"] = str(len(body))
    head["Date"] = formatdate(usegmt=True)
    head["Connection"] = "keep-alive" if keep_alive else "close"
    lines = [f"HTTP/1.1 {response.status.value} {response.status.phrase}"]
    lines += [f"{name}: {value}" for name, value in head.items()]
    octets = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
    return octets if request is not None and request.method == "HEAD" else octets + body
