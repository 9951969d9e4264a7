"""The peer: scapy reads a capture packet by packet and counts adverts per router and source."""

from __future__ import annotations

import sys
from collections import Counter

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q
from scapy.layers.vrrp import VRRP, VRRPv3
from scapy.utils import PcapReader

counts: Counter[tuple[int, str, int]] = Counter()
with PcapReader(sys.argv[1]) as reader:
    for packet in reader:
        advert = packet.getlayer(VRRP) or packet.getlayer(VRRPv3)
        if advert is not None:
            ip = packet.getlayer(IP) or packet.getlayer(IPv6)
            tag = packet.getlayer(Dot1Q)
            if ip is not None:
                counts[tag.vlan if tag is not None else 0, ip.src, advert.vrid] += 1
print(len(counts), sum(counts.values()))
