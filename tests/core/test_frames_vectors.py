"""Every public vector decides right, and scapy and tshark agree with us on fields.

scapy and tshark are oracles for fields, never for checksums: scapy sums VRRPv3 over IPv4 with a pseudo-header
whatever came in, and neither judges what a receiver must discard.
"""

from __future__ import annotations

import json
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.core.frame_samples import FOREIGN, OURS, VLAN_STACKS
from tests.support import program
from vrrpcore.addresses import mac_text, pack, text
from vrrpcore.errors import INVALID_REASONS, ParseError
from vrrpcore.frames import Arp, Carp, Malformed, Membership, Neighbour, unwrap
from vrrpcore.packet import Advertisement, build, parse

VECTORS: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent.parent / "data" / "vectors.json").read_text(encoding="utf-8")
)["vectors"]
LINKTYPES: Final = {
    "ethernet": 1,
    "linktype-1": 1,
    "ethernet-header": 1,
    "ipv4": 101,
    "ipv6": 101,
    "ipv4-header": 101,
    "linktype-107": 107,
}
#: Why each refused vector is refused, in our words; tcpdump's eight oversized ones are first fragments.
REASONS: Final = {
    "holo-empty": "truncated",
    "holo-v3-ip6-1000-bytes": "count",
    "holo-v3-version4": "version",
    "holo-v2-bad-checksum": "checksum",
    "dpkt-zero": "version",
    "scapy-v2-default": "count",
    "scapy-v3-ip6-default": "length",
    "scapy-version1-chksum": "version",
    "osken-v2": "checksum",
    "osken-v3-ip4": "checksum",
    "osken-v3-ip6": "checksum",
    "holo-ipv4-hdr": "truncated",
    "holo-eth-hdr": "truncated",
}


def decide(vector: dict[str, Any]) -> Advertisement | Malformed:
    """What we make of a vector: an advert, or the reason why not."""
    data, expect = bytes.fromhex(vector["hex"]), vector["expect"]
    if vector["layer"] in LINKTYPES:
        body = unwrap(data, LINKTYPES[vector["layer"]]).body
        assert isinstance(body, Advertisement | Malformed)
        return body
    # A bare message: without addresses a pseudo-header cannot be verified. Where the vector calls its checksum
    # invalid, any addresses show that.
    six = vector["layer"] == "vrrp6"
    if "checksum invalid" in expect.get("decode", ""):
        expect = {"src": "fe80::1", "dst": "ff02::12"} if six else {"src": "10.0.0.1", "dst": "224.0.0.18"}
    source, destination = (pack(expect[end]) if end in expect else b"" for end in ("src", "dst"))
    try:
        return parse(data, 6 if six else 4, source, destination)
    except ParseError as error:
        return Malformed(error.reason)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_every_vector_decides_right(vector: dict[str, Any]) -> None:
    expect, found = vector["expect"], decide(vector)
    if expect.get("decode") != "ok":
        assert isinstance(found, Malformed)
        assert found.reason in INVALID_REASONS
        known = "frame" if vector["layer"] == "linktype-107" else "ip_fragment"
        assert found.reason == REASONS.get(vector["id"], known)
        return
    assert isinstance(found, Advertisement)
    ours = {
        "version": found.version,
        "type": 1,
        "vrid": found.vrid,
        "priority": found.priority,
        "count_ip": len(found.addresses),
        "auth_type": found.auth_type,
        "adver_int_s": found.interval,
        "max_adver_int_cs": round(found.interval * 100),
        "reserved": found.reserved,
        "checksum": found.checksum,
        "addresses": [text(address) for address in found.addresses],
        "auth_data_hex": found.auth_data.hex(),
    }
    assert ours == {**ours, **{name: value for name, value in expect.items() if name in ours}}
    for key, style in (("checksum_ok_pseudo_header", "pseudo"), ("checksum_ok_no_pseudo_header", "message")):
        if found.checksum_style and key in expect:
            assert (found.checksum_style == style) is expect[key]


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["layer"] == "ethernet"], ids=lambda vector: vector["id"])
def test_the_frames_around_the_vectors(vector: dict[str, Any]) -> None:
    frame, expect = unwrap(bytes.fromhex(vector["hex"])), vector["expect"]
    assert frame.ip is not None
    ours = {
        "src": text(frame.ip.source),
        "dst": text(frame.ip.destination),
        "ttl": frame.ip.ttl,
        "eth_src": mac_text(frame.source_mac),
        "eth_dst": mac_text(frame.destination_mac),
    }
    assert ours == {**ours, **{name: value for name, value in expect.items() if name in ours}}
    assert isinstance(frame.body, Advertisement)
    message = build(frame.body, frame.ip.source, frame.ip.destination)
    assert message in bytes.fromhex(vector["hex"])


def test_the_headers_alone_give_their_facts() -> None:
    vectors = {vector["id"]: bytes.fromhex(vector["hex"]) for vector in VECTORS}
    header = unwrap(vectors["holo-eth-hdr"])
    assert (mac_text(header.source_mac), mac_text(header.destination_mac)) == ("00:00:5e:00:01:33", "01:00:5e:00:00:12")
    ip = unwrap(vectors["holo-ipv4-hdr"], 101).ip
    assert ip is not None
    assert (text(ip.source), text(ip.destination), ip.ttl, ip.tos) == ("192.168.100.2", "224.0.0.18", 255, 192)


def samples() -> Iterator[tuple[str, bytes]]:
    """Frames that the oracles read whole: no fragments, no chains of three."""
    for name, make in OURS.items():
        if "fragment" not in name and "chain" not in name:
            for vlans in VLAN_STACKS:
                yield f"{name}{vlans}", make(vlans)
    for vector in VECTORS:
        if vector["layer"] == "ethernet":
            yield vector["id"], bytes.fromhex(vector["hex"])


def test_scapy_agrees_on_fields() -> None:
    from scapy.layers import vrrp
    from scapy.layers.l2 import Ether

    compared = 0
    for name, octets in samples():
        ours, theirs = unwrap(octets).body, Ether(octets)
        if not isinstance(ours, Advertisement) or "ah" in name:
            continue  # scapy does not look into AH
        if any(kind in name for kind in ("hop-by-hop", "routing", "destination", "atomic")):
            continue  # nor does it know VRRP's family behind an extension header
        layer = theirs.getlayer(vrrp.VRRPv3 if ours.version == 3 else vrrp.VRRP)
        assert layer is not None, name
        interval = layer.adv / 100 if ours.version == 3 else layer.adv
        assert (layer.vrid, layer.priority, interval) == (ours.vrid, ours.priority, ours.interval), name
        assert [pack(address) for address in layer.addrlist] == list(ours.addresses), name
        compared += 1
    assert compared > 50


def pcap(frames: list[bytes]) -> bytes:
    records = b"".join(struct.pack("<IIII", at, 0, len(frame), len(frame)) + frame for at, frame in enumerate(frames))
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + records


#: What tshark is asked for; several values of one field are joined by a comma.
FIELDS: Final = (
    "eth.src",
    "ieee8021ad.id",
    "vlan.id",
    "ip.src",
    "ipv6.src",
    "vrrp.virt_rtr_id",
    "vrrp.prio",
    "vrrp.ip_addr",
    "vrrp.ipv6_addr",
    "arp.opcode",
    "arp.src.proto_ipv4",
    "arp.dst.proto_ipv4",
    "icmpv6.nd.ns.target_address",
    "icmpv6.nd.na.target_address",
    "icmpv6.nd.na.flag.r",
    "igmp.maddr",
    "icmpv6.mldr.mar.multicast_address",
    "icmpv6.mld.multicast_address",
)


def our_fields(octets: bytes) -> dict[str, str]:
    """The same fields as we see them."""
    frame = unwrap(octets)
    row = dict.fromkeys(FIELDS, "")
    row["eth.src"] = mac_text(frame.source_mac)
    row["vlan.id"] = ",".join(map(str, frame.vlans[-1:]))
    row["ieee8021ad.id"] = ",".join(map(str, frame.vlans[:-1]))
    if frame.ip is not None:
        row["ip.src" if frame.ip.family == 4 else "ipv6.src"] = text(frame.ip.source)
    body = frame.body
    if isinstance(body, Advertisement):
        row["vrrp.virt_rtr_id"], row["vrrp.prio"] = str(body.vrid), str(body.priority)
        name = "vrrp.ip_addr" if body.family == 4 else "vrrp.ipv6_addr"
        row[name] = ",".join(map(text, body.addresses))
    elif isinstance(body, Arp):
        row["arp.opcode"] = str(body.operation)
        row["arp.src.proto_ipv4"], row["arp.dst.proto_ipv4"] = text(body.sender_ip), text(body.target_ip)
    elif isinstance(body, Neighbour):
        row["icmpv6.nd.ns.target_address" if body.type == 135 else "icmpv6.nd.na.target_address"] = text(body.target)
        if body.type == 136:
            row["icmpv6.nd.na.flag.r"] = str(body.router)
    elif isinstance(body, Membership):
        assert frame.ip is not None
        groups = ",".join(map(text, body.joined + body.left))
        single = octets[62 + 4 * len(frame.vlans)] in (131, 132) if frame.ip.family == 6 else False
        six = "icmpv6.mld.multicast_address" if single else "icmpv6.mldr.mar.multicast_address"
        row["igmp.maddr" if frame.ip.family == 4 else six] = groups
    return row


@pytest.mark.needs("tshark")
def test_tshark_agrees_on_fields(tmp_path: Path) -> None:
    chosen = [(name, octets) for name, octets in samples() if not isinstance(unwrap(octets).body, Carp)]
    path = tmp_path / "ours.pcap"
    path.write_bytes(pcap([octets for _, octets in chosen]))
    tshark = program("tshark")
    assert tshark is not None
    asked = [argument for field in FIELDS for argument in ("-e", field)]
    command = [tshark, "-n", "-r", str(path), "-T", "fields", "-E", "separator=|", "-E", "occurrence=a", *asked]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.splitlines()
    assert len(lines) == len(chosen) > 80
    for (name, octets), line in zip(chosen, lines, strict=True):
        theirs = dict(zip(FIELDS, line.split("|"), strict=True))
        theirs["icmpv6.nd.na.flag.r"] = {"1": "True", "0": "False"}.get(
            theirs["icmpv6.nd.na.flag.r"], theirs["icmpv6.nd.na.flag.r"]
        )
        assert our_fields(octets) == theirs, name


def test_a_few_seconds_of_fuzz() -> None:
    """Random damage to frames of every kind: any bytes parse, or give one of our reasons."""
    seed = random.randrange(2**32)
    source = random.Random(seed)
    corpus = [make(vlans) for make in (*OURS.values(), *FOREIGN.values()) for vlans in VLAN_STACKS]
    for _ in range(30_000):
        octets = bytearray(source.choice(corpus))
        for _ in range(source.randrange(1, 6)):
            octets[source.randrange(len(octets))] = source.randrange(256)
        damaged = bytes(octets[: source.randrange(len(octets) + 1)] if source.random() < 0.3 else octets)
        linktype = 1 if source.random() < 0.9 else source.choice((101, 113, 276))
        body = unwrap(damaged, linktype).body
        if isinstance(body, Malformed):
            assert body.reason in INVALID_REASONS, (seed, damaged.hex())
