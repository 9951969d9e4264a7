"""A mail server that keeps what it is told, and one that misbehaves.

In a test: `with Sink("127.0.0.1") as sink: ...; sink.mails`. In a lab host: `python mail_sink.py FILE ADDRESS PORT`,
which writes each mail as one line of JSON: {"helo": ..., "sender": ..., "recipients": [...], "lines": [...]}.
"""

from __future__ import annotations

import json
import socket
import socketserver
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Received:
    """One mail."""

    helo: str
    sender: str
    recipients: list[str]
    lines: list[str] = field(default_factory=list)

    def header(self, name: str) -> str:
        head = self.lines[: self.lines.index("")]
        return next((line.partition(": ")[2] for line in head if line.startswith(f"{name}: ")), "")

    @property
    def body(self) -> str:
        return "\n".join(self.lines[self.lines.index("") + 1 :]).strip()


class Conversation(socketserver.StreamRequestHandler):
    """One client, from greeting to QUIT or until it goes."""

    server: Sink

    def handle(self) -> None:
        self.server.connections += 1
        if self.server.mute:
            self.server.ended.wait(60)
            return
        helo, mail = "", Received("", "", [])
        self.say("220 sink")
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            if word.upper() in ("HELO", "EHLO"):
                helo = rest
            elif word.upper() == "MAIL":
                mail = Received(helo, rest.partition("<")[2].partition(">")[0], [])
            elif word.upper() == "DATA":
                self.say("354 go on")
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    mail.lines.append(line.decode().rstrip("\r\n"))
                self.server.keep(mail)
            elif word.upper() == "QUIT":
                self.say("221 bye")
                return
            answer = "250 fine"
            if word.upper() == "RCPT":
                recipient = rest.partition("<")[2].partition(">")[0]
                answer = self.server.refuses.get(recipient, answer)
                mail.recipients += [recipient] * answer.startswith("2")
            self.say(answer)

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class Sink(socketserver.ThreadingTCPServer):
    """`refuses`: recipient -> the answer to it; `mute`: accepts connections and never says a word."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64  # keepalived opens one connection for each mail, all at once

    def __init__(self, address: str, port: int = 0, file: Path | None = None, mute: bool = False) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.mails: list[Received] = []
        self.refuses: dict[str, str] = {}
        self.connections = 0
        self.mute, self._file = mute, file
        self.ended = threading.Event()
        super().__init__((address, port), Conversation)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def keep(self, mail: Received) -> None:
        self.mails.append(mail)
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(json.dumps(asdict(mail)) + "\n")

    def __enter__(self) -> Sink:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()


def kept(file: Path) -> list[Received]:
    """The mails that a sink in a lab host has kept."""
    return [Received(**json.loads(line)) for line in file.read_text().splitlines()]


if __name__ == "__main__":
    with Sink(sys.argv[2], int(sys.argv[3]), Path(sys.argv[1])) as server:
        print("listening", flush=True)
        threading.Event().wait()
