"""The peer: dpkt reads a capture packet by packet and counts adverts per router and source."""

from __future__ import annotations

import sys
from collections import Counter

import dpkt

counts: Counter[tuple[int, bytes, int]] = Counter()
with open(sys.argv[1], "rb") as file:
    for _time, data in dpkt.pcap.Reader(file):
        frame = dpkt.ethernet.Ethernet(data)
        ip = frame.data
        if isinstance(ip, (dpkt.ip.IP, dpkt.ip6.IP6)) and ip.p == 112:
            tags = getattr(frame, "vlan_tags", None)
            payload = bytes(ip.data)
            counts[tags[0].id if tags else 0, ip.src, payload[1]] += 1
print(len(counts), sum(counts.values()))
