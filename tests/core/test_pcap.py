"""Classic pcap: byte orders, resolutions, link types, snap lengths, and what is left of damaged files."""

from __future__ import annotations

from random import Random
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.capture_octets import pcap, pcap_header, pcap_record
from tests.support import ROOT
from vrrpcore.errors import SourceError
from vrrpcore.frames import LINKTYPES
from vrrpcore.pcap import MAX_RECORD, Decoder
from vrrpcore.records import SUPPORTED, Record, SourceCounters

T0 = 1_795_336_654.40625  # exact in binary, µs and ns
FRAMES = [(T0 + n / 8, bytes((n, *range(59)))) for n in range(20)]


def decode(data: bytes, chunk: int = 1 << 20, segment: str | None = None) -> tuple[list[Record], SourceCounters]:
    decoder = Decoder(segment)
    records: list[Record] = []
    for start in range(0, len(data), chunk):
        records += decoder.feed(data[start : start + chunk])
    records += decoder.finish()
    return records, decoder.counters


def stamped(records: list[Record]) -> list[tuple[float, bytes]]:
    return [(record.time, record.frame) for record in records]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 20])
def test_all_four_magics_in_chunks_of_any_size(order: str, nano: bool, chunk: int) -> None:
    records, counters = decode(pcap(FRAMES, order, nano), chunk)
    assert stamped(records) == FRAMES
    assert counters == SourceCounters(frames=20)
    assert {(r.link.name, r.link.segment, r.link.linktype, r.outgoing, r.vlans) for r in records} == {
        ("capture", "capture", 1, False, ())
    }


def test_nanoseconds_are_kept_as_far_as_a_float_can() -> None:
    data = pcap_header(nano=True) + pack("<IIII", 1_795_336_654, 123_456_789, 1, 1) + b"x"
    assert decode(data)[0][0].time == 1_795_336_654 + 0.123456789


def test_a_segment_given_by_the_operator_wins() -> None:
    assert decode(pcap(FRAMES), segment="dc1-lan")[0][0].link.segment == "dc1-lan"


def test_the_supported_link_types_are_those_of_the_codec() -> None:
    assert set(LINKTYPES) == set(SUPPORTED)


def test_the_frame_check_sequence_is_taken_off() -> None:
    record = pcap_record(T0, bytes(range(64)))
    cut = pcap_record(T0, bytes(range(62)), wire=64)
    records, _ = decode(pcap_header(fcs=4) + record + cut)
    assert [r.frame for r in records] == [bytes(range(60)), bytes(range(60))]


def test_an_unsupported_link_type_is_counted_and_said() -> None:
    records, counters = decode(pcap(FRAMES, linktype=105))
    assert (records, counters.unsupported) == ([], 20)
    assert counters.notes == ["link type 105 is not supported: its records were counted and left out"]


@pytest.mark.parametrize(("linktype", "at"), [(113, 1), (276, 10)])
def test_a_cooked_frame_says_whether_its_host_sent_it(linktype: int, at: int) -> None:
    frame = bytearray(40)
    frame[at] = 4
    records, _ = decode(pcap([(T0, bytes(40)), (T0, bytes(frame))], linktype=linktype))
    assert [r.outgoing for r in records] == [False, True]


def test_records_cut_by_the_snap_length_are_counted() -> None:
    data = pcap_header(snaplen=68) + pcap_record(T0, bytes(68), wire=1500) + pcap_record(T0, bytes(60))
    records, counters = decode(data)
    assert (len(records), counters.truncated) == (2, 1)


@pytest.mark.parametrize("missing", [1, 10, 59, 60, 61, 75])
def test_a_cut_off_last_record_is_said_and_the_rest_kept(missing: int) -> None:
    records, counters = decode(pcap(FRAMES)[:-missing], chunk=100)
    assert stamped(records) == FRAMES[:19]
    assert len(counters.notes) == 1
    assert "cut off" in counters.notes[0]
    assert "offset 1468" in counters.notes[0]  # 24 + 19 * (16 + 60)


def test_a_header_alone_is_a_capture_without_frames() -> None:
    assert decode(pcap_header()) == ([], SourceCounters())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (pcap_header()[:23], "ends inside its file header"),
        (b"\n\r\r\n\x1c\0\0\0", "ends inside its file header"),
        (b"hello", "is not a capture"),
        (b"10:15:04.123 IP 10.0.0.1 > 224.0.0.18: VRRPv2, Advertisement", "is not a capture"),
        (b"\x28\xb5\x2f\xfd" + bytes(60), "zstd -dc"),
        (b"\xfd7zXZ\x00" + bytes(60), "xz -dc"),
        (b"BZh9" + bytes(60), "bzip2 -dc"),
        (b"snoop\x00\x00\x00" + bytes(60), "editcap"),
        (b"\x1f\x8b" + bytes(60), "compressed twice"),
    ],
)
def test_what_is_no_capture_is_refused_in_one_line(data: bytes, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        decode(data)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0xFFFFFFFF, MAX_RECORD + 1, 61, 59, 300, 100_000])
@pytest.mark.parametrize("chunk", [50, 1 << 20])
def test_reading_goes_on_behind_a_record_with_a_damaged_length(length: int, chunk: int) -> None:
    data = bytearray(pcap(FRAMES))
    data[24 + 5 * 76 + 8 : 24 + 5 * 76 + 12] = pack("<I", length)
    records, counters = decode(bytes(data), chunk)
    kept = stamped(records)
    assert [frame for frame in kept if frame in FRAMES][-14:] == FRAMES[6:]
    assert kept[:5] == FRAMES[:5]
    assert any("damaged at offset" in text for text in counters.notes)


def test_reading_goes_on_behind_octets_that_belong_nowhere() -> None:
    good = pcap(FRAMES)
    cut = 24 + 10 * 76
    records, counters = decode(good[:cut] + Random(3).randbytes(5000) + good[cut:], chunk=999)
    assert stamped(records)[-10:] == FRAMES[10:]
    assert stamped(records)[:10] == FRAMES[:10]
    assert any("damaged" in text for text in counters.notes)


def test_a_damaged_first_record_does_not_cost_the_others() -> None:
    data = bytearray(pcap(FRAMES))
    data[24 + 8 : 24 + 12] = b"\xff" * 4
    assert stamped(decode(bytes(data))[0]) == FRAMES[1:]


def test_garbage_without_end_is_read_in_bounded_memory() -> None:
    decoder = Decoder()
    random = Random(1)
    decoder.feed(pcap(FRAMES))
    for _ in range(40):
        decoder.feed(random.randbytes(1 << 18))
        assert decoder.inner is not None
        assert len(decoder.inner._buffer) < 4 * MAX_RECORD  # type: ignore[attr-defined]
    assert decoder.counters.frames < 100
    decoder.finish()


@pytest.mark.parametrize("which", [0, 7, 19])
@pytest.mark.parametrize("stamp", [0, 4_294_967_295])
def test_one_damaged_timestamp_does_not_move_the_clock(which: int, stamp: int) -> None:
    data = bytearray(pcap(FRAMES))
    data[24 + which * 76 : 28 + which * 76] = pack("<I", stamp)
    records, counters = decode(bytes(data))
    assert [frame for _, frame in stamped(records)] == [frame for _, frame in FRAMES]
    assert all(T0 - 1 <= record.time <= T0 + 4 for record in records)
    assert counters.notes == ["a record has a damaged timestamp: the time of its neighbour is used"]


def test_a_gap_in_time_and_a_merged_older_file_are_believed() -> None:
    frames = [*FRAMES, *((time + 7200, frame) for time, frame in FRAMES), *((t - 86400, f) for t, f in FRAMES)]
    records, counters = decode(pcap(frames))
    assert (stamped(records), counters.notes) == (frames, [])


@given(
    st.lists(
        st.tuples(st.floats(min_value=0, max_value=0.9), st.binary(min_size=1, max_size=80)), min_size=1, max_size=20
    ),
    st.sampled_from("<>"),
    st.integers(min_value=1, max_value=300),
)
def test_what_was_written_is_read(frames: list[tuple[float, bytes]], order: str, chunk: int) -> None:
    expected = [(round(T0 * 1e6 + time * 1e6) / 1e6, frame) for time, frame in frames]
    records, counters = decode(pcap(expected, order), chunk)
    assert [r.frame for r in records] == [frame for _, frame in expected]
    assert all(abs(r.time - time) < 2e-6 for r, (time, _) in zip(records, expected, strict=True))
    assert counters.notes == []


@given(st.binary(max_size=400))
def test_any_octets_give_records_or_our_error(data: bytes) -> None:
    for head in (b"", pcap_header(), pcap_header(">", True)):
        try:
            decode(head + data)
        except SourceError:
            assert not head


def damaged(data: bytes, random: Random) -> bytes:
    """A copy with octets changed, inserted, lost or cut off."""
    copy = bytearray(data)
    for _ in range(random.choice((1, 3, 20))):
        at = random.randrange(len(copy))
        match random.randrange(4):
            case 0:
                copy[at] = random.randrange(256)
            case 1:
                copy[at : at + random.randrange(40)] = random.randbytes(random.randrange(40))
            case 2:
                copy[at : at + 4] = random.choice((b"\xff" * 4, bytes(4), b"\0\0\xff\xff"))
            case 3 if random.random() < 0.3:
                del copy[max(at, 30) :]
    return bytes(copy)


def test_damaged_copies_of_real_captures_never_break_the_reader() -> None:
    random = Random(51)
    captures = sorted(path for path in (ROOT / "tests" / "replays").rglob("*.pcap*") if path.stat().st_size < 40_000)
    assert captures
    lost = total = 0
    for _ in range(300):
        data = random.choice(captures).read_bytes()
        whole = len(decode(data)[0])
        try:
            records, _ = decode(damaged(data, random), random.choice((100, 4096, 1 << 20)))
        except SourceError:
            continue  # the file header itself was hit
        total += whole
        lost += max(whole - len(records), 0)
    assert lost < 0.3 * total  # cut-off copies lose half of theirs; damage inside of one loses a record or two
