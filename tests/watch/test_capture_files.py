"""Capture files from the operating system: gzip, standard input, errors in one line, sensors and their order."""

from __future__ import annotations

import gzip
import io
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path
from random import Random

import pytest

from tests.core.capture_octets import enhanced, interface, pcap, section
from tests.support import ROOT
from vrrpcore.errors import SourceError, UsageError
from vrrpwatch.files import CaptureFile
from vrrpwatch.sensors import Sensor, Span, open_files, parse_sensor, plan, span

T0 = 1_795_336_654.0
FRAMES = [(T0 + n, bytes((n, *range(59)))) for n in range(100)]


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def shifted(seconds: float, count: int = 10) -> bytes:
    return pcap([(time + seconds, frame) for time, frame in FRAMES[:count]])


def test_gzip_members_one_after_another_and_padding(tmp_path: Path) -> None:
    data = pcap(FRAMES)
    packed = gzip.compress(data[:1000]) + gzip.compress(data[1000:]) + bytes(512)
    file = CaptureFile(write(tmp_path / "a.pcap.gz", packed))
    assert [(r.time, r.frame) for r in file] == FRAMES
    assert file.counters.notes == []


def test_cut_off_gzip_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    random = Random(5)
    frames = [(time, random.randbytes(60)) for time, _ in FRAMES]
    packed = gzip.compress(pcap(frames))
    file = CaptureFile(write(tmp_path / "a.pcap.gz", packed[: len(packed) // 2]))
    records = list(file)
    assert 30 < len(records) < 70
    assert [(r.time, r.frame) for r in records] == frames[: len(records)]
    assert file.counters.notes[0] == "the gzip data is cut off: what came before the end is used"


def test_damaged_gzip_gives_what_came_before(tmp_path: Path) -> None:
    random = Random(5)
    packed = bytearray(gzip.compress(pcap([(T0 + n, random.randbytes(1000)) for n in range(5000)])))
    packed[len(packed) // 2 : len(packed) // 2 + 50] = bytes(50)
    file = CaptureFile(write(tmp_path / "a.pcap.gz", bytes(packed)))
    assert len(list(file)) > 1000
    assert any("the gzip data is damaged" in text for text in file.counters.notes)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("empty.pcap", b"", "is empty"),
        ("text.pcap", b"frame 1\n" * 20, "is not a capture"),
        ("empty.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("text.gz", gzip.compress(b"frame 1\n" * 20, mtime=0), "is not a capture"),
    ],
)
def test_what_is_no_capture_is_refused_by_name(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    path = write(tmp_path / name, data)
    with pytest.raises(SourceError) as caught:
        list(open_files([path]))
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_directory_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.pcap: no such file or directory"):
        open_files([str(tmp_path / "nowhere.pcap")])
    with pytest.raises(SourceError, match="is a directory"):
        open_files([str(tmp_path)])


def test_an_unreadable_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "secret.pcap"
    path.write_bytes(pcap(FRAMES))
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything
    try:
        with pytest.raises(SourceError, match=r"secret\.pcap: permission denied"):
            open_files([str(path)])
    finally:
        os.seteuid(user)


def test_standard_input_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write_end = os.pipe()
    data = gzip.compress(pcap(FRAMES))

    def writer() -> None:
        with os.fdopen(write_end, "wb", buffering=0) as pipe:
            for octet in data:
                pipe.write(bytes((octet,)))

    thread = threading.Thread(target=writer)
    thread.start()
    with os.fdopen(read, "rb") as pipe:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
        capture = open_files(["-"])
        assert [(r.time, r.frame) for _, r in capture] == FRAMES
        assert (capture.name, capture.progress[1]) == ("stdin", 0)
    thread.join()


def test_standard_input_is_read_in_bounded_memory() -> None:
    """200 MB through a pipe; the reader may use at most 400 MiB of address space in all."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))\n"
        "from vrrpwatch.sensors import open_files\n"
        "print(sum(1 for _ in open_files(['-'])))"
    )
    path = os.pathsep.join(str(ROOT / folder) for folder in ("", "core", "exporters"))
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        record = pcap([(T0, bytes(1400))] * 700)[24:]
        reader.stdin.write(pcap([]))
        for _ in range(200):
            reader.stdin.write(record)
        reader.stdin.close()
        assert reader.stdout.read() == b"140000\n"
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != 400 << 20


def test_files_that_overlap_are_sensors_and_disjoint_ones_a_sequence(tmp_path: Path) -> None:
    a = write(tmp_path / "left.pcap", shifted(0))
    b = write(tmp_path / "right.pcap", shifted(0.25))
    later = write(tmp_path / "left2.pcap.gz", gzip.compress(shifted(60)))
    assert plan([later, b, a]) == (Sensor("left", (a, later)), Sensor("right", (b,)))
    assert plan([a, later]) == (Sensor("left", (a, later)),)
    capture = open_files([later, b, a])
    times = [(sensor, record.time - T0) for sensor, record in capture]
    assert times[:4] == [(0, 0.0), (1, 0.25), (0, 1.0), (1, 1.25)]
    assert [time for _, time in times] == sorted(time for _, time in times)
    assert times[-1] == (0, 69.0)
    assert capture.counters.frames == 30


def test_rotated_files_of_two_sensors_go_to_the_sensor_of_the_likest_name(tmp_path: Path) -> None:
    paths = {
        name: write(tmp_path / name, shifted(seconds))
        for name, seconds in [("alpha.pcap0", 0), ("beta.pcap0", 0.5), ("alpha.pcap1", 20), ("beta.pcap1", 20.5)]
    }
    one, two = plan(list(paths.values()))
    assert one.paths == (paths["alpha.pcap0"], paths["alpha.pcap1"])
    assert two.paths == (paths["beta.pcap0"], paths["beta.pcap1"])


def test_the_user_decides_which_file_is_which_sensors(tmp_path: Path) -> None:
    a = write(tmp_path / "a.pcap", shifted(0))
    b = write(tmp_path / "b.pcap", shifted(60))
    assert plan([], [("x", a), ("y", b)]) == (Sensor("x", (a,)), Sensor("y", (b,)))
    assert plan([], [("x", b), ("x", a)]) == (Sensor("x", (a, b)),)
    assert parse_sensor("host-a=a=b.pcap") == ("host-a", "a=b.pcap")
    for text in ("a.pcap", "=a.pcap", "x="):
        with pytest.raises(UsageError):
            parse_sensor(text)


def test_standard_input_stands_alone_and_something_must_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="alone"):
        plan(["-", write(tmp_path / "a.pcap", shifted(0))])
    with pytest.raises(UsageError, match="no capture file"):
        plan([])


def test_the_span_of_a_big_capture_is_read_from_its_ends(tmp_path: Path) -> None:
    frames = [(T0 + n / 4, bytes(1400)) for n in range(6000)]
    path = write(tmp_path / "big.pcap", pcap(frames))
    assert span(path) == Span(T0, T0 + 5999 / 4)
    ng = section() + interface() + b"".join(enhanced(int(time * 1e6), frame) for time, frame in FRAMES)
    assert span(write(tmp_path / "a.pcapng", ng)) == Span(T0, T0 + 99)
    assert span(write(tmp_path / "none.pcap", pcap([]))) == Span(None, None)


def test_notes_name_their_file_where_there_are_several(tmp_path: Path) -> None:
    a = write(tmp_path / "a.pcap", shifted(0)[:-5])
    b = write(tmp_path / "b.pcap", shifted(0.5))
    capture = open_files([a, b])
    list(capture)
    assert capture.counters.notes == [
        "a.pcap: the capture is cut off: its last record at offset 708 has 55 of 60 octets"
    ]
