"""Capture files and standard input: octets from the operating system into the decoder, plain or gzip.

Thin on purpose: formats are understood in `vrrpcore.pcap` and `vrrpcore.pcapng`, both of which open nothing. Memory
is bounded by the block size and the longest record, whatever the size of the file.
"""

from __future__ import annotations

import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

from vrrpcore.errors import SourceError
from vrrpcore.pcap import GZIP_MAGIC, Decoder
from vrrpcore.records import Record, SourceCounters

BLOCK: Final = 1_048_576
STDIN: Final = "-"


class Inflater:
    """Gunzips chunks: concatenated members, and what can be had of a damaged or cut-off one."""

    def __init__(self, counters: SourceCounters) -> None:
        self.counters = counters
        self._member = zlib.decompressobj(wbits=31)
        self._between = False  # a member ended; more of them, or padding, may follow
        self._broken = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Unpacked chunks of at most BLOCK octets."""
        while data and not self._broken:
            if self._between:
                data = data.lstrip(b"\0")  # tapes and some tools pad with zeros
                if not data:
                    return
                self._member, self._between = zlib.decompressobj(wbits=31), False
            try:
                chunk = self._member.decompress(data, BLOCK)
            except zlib.error as error:
                self._broken = True
                self.counters.note(f"the gzip data is damaged ({error}): what came before it is used")
                return
            if chunk:
                yield chunk
            self._between = self._member.eof
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> Iterator[bytes]:
        """What is left inside of zlib; a note when the last member is not complete."""
        if not self._broken and not self._between:
            self.counters.note("the gzip data is cut off: what came before the end is used")
            yield self._member.flush()


class CaptureFile:
    """One capture file (or standard input, `-`), iterated once in the order of the file.

    Raises SourceError, naming the file, when it cannot be opened or is no capture.
    """

    def __init__(self, path: str, segment: str | None = None) -> None:
        self.path = path
        self.counters = SourceCounters()
        self.size = 0  # octets on disk; 0 when unknown
        self.position = 0  # octets read so far
        self.decoder = Decoder(segment, self.counters)
        self._file = self._open()

    @property
    def name(self) -> str:
        """The file's name without its directories, as reports show it."""
        return "stdin" if self.path == STDIN else Path(self.path).name

    def _open(self) -> BinaryIO:
        if self.path == STDIN:
            if sys.stdin is None:  # what Python makes of `<&-`
                raise SourceError("standard input is closed: pipe a capture into it, e.g. tcpdump -U -w - | …")
            if sys.stdin.isatty():
                raise SourceError("standard input is a terminal: pipe a capture into it, e.g. tcpdump -U -w - | …")
            return sys.stdin.buffer
        try:
            file = open(self.path, "rb", buffering=0)  # noqa: SIM115 (closed by close)
            facts = os.fstat(file.fileno())
        except OSError as error:
            raise SourceError(f"{self.path}: {(error.strerror or str(error)).lower()}") from None
        if stat.S_ISREG(facts.st_mode):
            self.size = facts.st_size
        return file

    def blocks(self) -> Iterator[bytes]:
        """The capture's octets, unpacked, in chunks."""
        block = self._read(at_least=len(GZIP_MAGIC))
        if not block.startswith(GZIP_MAGIC):
            while block:
                yield block
                block = self._read()
            return
        inflater = Inflater(self.counters)
        while block:
            yield from inflater.feed(block)
            block = self._read()
        yield from inflater.finish()

    def _read(self, at_least: int = 1) -> bytes:
        """What there is, up to one block; fewer than `at_least` octets only at the end of the input."""
        data = b""
        while len(data) < at_least:
            try:
                chunk = self._file.read1(BLOCK) if isinstance(self._file, BufferedReader) else self._file.read(BLOCK)
            except OSError as error:
                raise SourceError(f"{self.path}: {(error.strerror or str(error)).lower()}") from None
            if not chunk:
                break
            data += chunk
        self.position += len(data)
        return data

    def batches(self, prepare: Callable[[CaptureFile], None] | None = None) -> Iterator[list[Record]]:
        """Records in lists, one for each block read; `prepare` is called as soon as the format is known."""
        try:
            for block in self.blocks():
                if prepare is not None and self.decoder.inner is None:
                    block = self._open_format(block, prepare)
                yield self.decoder.feed(block)
            yield self.decoder.finish()
        except SourceError as error:
            text = str(error)
            raise SourceError(text if text.startswith(f"{self.path}:") else f"{self.path}: {text}") from None
        finally:
            self.close()

    def _open_format(self, block: bytes, prepare: Callable[[CaptureFile], None]) -> bytes:
        """Feed no more than a file header, so that `prepare` comes before the first record; what is left of `block`."""
        self.decoder.feed(block[:24])
        if self.decoder.inner is not None:
            prepare(self)
        return block[24:]

    def __iter__(self) -> Iterator[Record]:
        for batch in self.batches():
            yield from batch

    def close(self) -> None:
        """Close the file (standard input stays open)."""
        if self.path != STDIN:
            self._file.close()
