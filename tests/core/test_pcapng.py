"""pcapng: sections, interfaces, resolutions, every packet block, and what is left of damaged files."""

from __future__ import annotations

from random import Random
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.capture_octets import block, enhanced, interface, old_packet, option, section, simple
from tests.core.test_pcap import damaged, decode, stamped
from tests.support import ROOT
from vrrpcore.errors import SourceError
from vrrpcore.pcapng import _MAX_BLOCK, PcapngDecoder
from vrrpcore.records import SourceCounters

US = 1_795_336_654_406_250
T0 = US / 1_000_000
FRAME = bytes(range(60))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("chunk", [1, 13, 1 << 20])
def test_packets_of_several_interfaces_in_chunks_of_any_size(order: str, chunk: int) -> None:
    eth0 = interface(order=order, options=[option(2, b"eth0", order), option(9, b"\x06", order)])
    bond0 = interface(101, order, options=[option(2, b"bond0", order), option(9, b"\x09", order)])
    data = section(order) + eth0 + bond0
    data += enhanced(US, FRAME, 0, order) + enhanced(US * 1000 + 500, FRAME[:21], 1, order)
    records, counters = decode(data, chunk)
    assert [(r.time, r.link.name, r.link.segment, r.link.linktype, r.frame) for r in records] == [
        (T0, "eth0", "eth0", 1, FRAME),
        ((US * 1000 + 500) / 1_000_000_000, "bond0", "bond0", 101, FRAME[:21]),
    ]
    assert counters == SourceCounters(frames=2)


def test_every_section_has_its_own_byte_order_and_interfaces() -> None:
    little = section("<") + interface(order="<", options=[option(2, b"a")]) + enhanced(US, FRAME)
    big = section(">") + interface(order=">", options=[option(2, b"b", ">")]) + enhanced(US, FRAME, order=">")
    records, counters = decode(little + big + section("<") + enhanced(US, FRAME))
    assert [r.link.name for r in records] == ["a", "b"]
    assert counters.notes == ["packets of interface 0, which the capture does not describe, were left out"]


@pytest.mark.parametrize(
    ("resolution", "ticks"),
    [
        (b"\x03", US // 1000),
        (b"\x06", US),
        (b"\x09", US * 1000),
        (b"\x94", (US << 20) // 1_000_000),
        (b"\x00", US // 10**6),
    ],
)
def test_powers_of_ten_and_of_two_as_resolution(resolution: bytes, ticks: int) -> None:
    records, _ = decode(section() + interface(options=[option(9, resolution)]) + enhanced(ticks, FRAME))
    unit = 2.0 ** -(resolution[0] & 0x7F) if resolution[0] & 0x80 else 10.0 ** -resolution[0]
    assert abs(records[0].time - T0) <= unit


def test_the_offset_of_an_interface_is_added() -> None:
    options = [option(14, pack("<q", 1_795_336_600))]
    records, _ = decode(section() + interface(options=options) + enhanced(54_406_250, FRAME))
    assert records[0].time == T0


def test_flags_tell_direction_and_frame_check_sequence() -> None:
    def flags(word: int) -> bytes:
        return option(2, pack("<I", word)) + option(0, b"")

    data = (
        section() + interface() + b"".join(enhanced(US, FRAME, options=flags(word)) for word in (0b01, 0b10, 0, 4 << 5))
    )
    records, _ = decode(data)
    assert [r.outgoing for r in records] == [False, True, False, False]
    assert [len(r.frame) for r in records] == [60, 60, 60, 56]


def test_the_interfaces_frame_check_sequence_is_taken_off() -> None:
    data = section() + interface(options=[option(13, b"\x04")])
    records, counters = decode(data + enhanced(US, FRAME) + enhanced(US, FRAME[:58], wire=60))
    assert ([len(r.frame) for r in records], counters.truncated) == ([56, 56], 1)


def test_drops_are_counted_from_packets_and_from_statistics() -> None:
    dropped = option(4, pack("<Q", 7)) + option(0, b"")
    statistics = block(5, pack("<III", 0, 0, 0) + option(5, pack("<Q", 20)) + option(7, pack("<Q", 3)))
    data = section() + interface() + enhanced(US, FRAME, options=dropped) + old_packet(US, FRAME, drops=5)
    assert decode(data)[1].dropped == 12
    assert decode(data + statistics)[1].dropped == 23
    assert decode(data + statistics + section() + interface() + enhanced(US, FRAME))[1].dropped == 23


def test_packets_without_time_take_that_of_the_one_before() -> None:
    data = section() + interface(snaplen=20) + enhanced(US, FRAME) + simple(FRAME)
    records, counters = decode(data)
    assert [(r.time, len(r.frame)) for r in records] == [(T0, 60), (T0, 20)]
    assert counters.notes == ["packets without a (possible) time are counted at the time of the packet before them"]


def test_the_obsolete_packet_block_is_read() -> None:
    records, _ = decode(section() + interface() + old_packet(US, FRAME))
    assert stamped(records) == [(T0, FRAME)]


def test_unknown_blocks_are_skipped_without_being_kept() -> None:
    big = block(0x0BAD, bytes(8 << 20))
    data = section() + block(4, b"names") + interface() + big + enhanced(US, FRAME)
    decoder = PcapngDecoder(None, SourceCounters())
    frames = 0
    for start in range(0, len(data), 65_536):
        frames += len(decoder.feed(data[start : start + 65_536]))
        assert len(decoder._buffer) <= 65_536
    assert frames + len(decoder.finish()) == 1
    assert decoder.counters.notes == []


def test_an_unsupported_link_type_costs_only_its_own_packets() -> None:
    data = section() + interface(105) + interface() + enhanced(US, FRAME) + enhanced(US, FRAME, 1)
    records, counters = decode(data)
    assert (len(records), counters.unsupported) == (1, 1)
    assert counters.notes == ["link type 105 is not supported: its records were counted and left out"]


def test_an_interface_name_cannot_smuggle_control_characters() -> None:
    records, _ = decode(section() + interface(options=[option(2, b"e\x1b[31m\n\xff" * 40)]) + enhanced(US, FRAME))
    assert records[0].link.name.isprintable()
    assert len(records[0].link.name) <= 64


@pytest.mark.parametrize("missing", [1, 4, 50, 91])
def test_a_cut_off_last_block_is_said_and_the_rest_kept(missing: int) -> None:
    data = section() + interface() + enhanced(US, FRAME) * 3
    records, counters = decode(data[:-missing], chunk=40)
    assert len(records) == 2
    assert counters.notes == ["the capture is cut off: its last block at offset 232 is not complete"]


@pytest.mark.parametrize("length", [0, 11, 13, 96, 0xFFFFFFFC, 4096, _MAX_BLOCK + 4])
@pytest.mark.parametrize("chunk", [33, 1 << 20])
def test_reading_goes_on_behind_a_block_with_a_damaged_length(length: int, chunk: int) -> None:
    packets = [enhanced(US + n, bytes((n, *range(59)))) for n in range(30)]
    data = bytearray(section() + interface() + b"".join(packets))
    at = 28 + 20 + 4 * len(packets[0])
    data[at + 4 : at + 8] = pack("<I", length)
    records, counters = decode(bytes(data), chunk)
    assert [r.frame[0] for r in records] == [n for n in range(30) if n != 4]
    assert any("damaged at offset" in text for text in counters.notes)


@pytest.mark.parametrize("which", [3, 29])
def test_one_damaged_timestamp_does_not_move_the_clock(which: int) -> None:
    packets = [enhanced(US + n if n != which else 1 << 52, bytes((n, *range(59)))) for n in range(30)]
    records, counters = decode(section() + interface() + b"".join(packets))
    assert [r.frame[0] for r in records] == list(range(30))
    assert all(abs(r.time - T0) < 1 for r in records)
    assert counters.notes == ["a record has a damaged timestamp: the time of its neighbour is used"]


def test_impossible_times_are_no_times() -> None:
    options = [option(14, pack("<q", 2**62))]
    records, counters = decode(section() + interface(options=options) + enhanced(US, FRAME))
    assert records[0].time == 0.0
    assert len(counters.notes) == 1


@given(st.binary(max_size=300), st.integers(min_value=1, max_value=64))
def test_any_octets_give_records_or_our_error(data: bytes, chunk: int) -> None:
    try:
        decode(section() + interface() + data, chunk)
    except SourceError as error:
        raise AssertionError(str(error)) from error  # after a section, everything is damage at worst


@given(st.sampled_from([1, 2, 3, 5, 6, 10, 0x0A0D0D0A]), st.binary(max_size=80))
def test_any_body_of_any_block_is_survived(kind: int, body: bytes) -> None:
    records, _ = decode(section() + interface() + block(kind, body) + section() + interface() + enhanced(US, FRAME))
    assert records[-1].frame == FRAME


def test_damaged_copies_of_a_real_capture_never_break_the_reader() -> None:
    random = Random(52)
    data = next((ROOT / "tests" / "replays").rglob("*.pcapng")).read_bytes()
    for _ in range(300):
        try:
            decode(damaged(data, random), random.choice((100, 4096, 1 << 20)))
        except SourceError:
            continue
