"""The peer: scapy's AsyncSniffer counts adverts for some seconds; prints frames, dropped (unknown), CPU seconds.

`live_scapy INTERFACE WARM_UP SECONDS`: what comes during the warm-up is not counted.
"""

from __future__ import annotations

import sys
import time

import scapy.layers.inet
import scapy.layers.inet6
import scapy.layers.vrrp
from scapy.sendrecv import AsyncSniffer

interface, warm, seconds = sys.argv[1:]
counted = 0


def count(packet: object) -> None:
    """One packet more."""
    global counted
    if packet.haslayer(scapy.layers.vrrp.VRRP) or packet.haslayer(scapy.layers.vrrp.VRRPv3):  # type: ignore[attr-defined]
        counted += 1


sniffer = AsyncSniffer(iface=interface, prn=count, store=False)
sniffer.start()
time.sleep(0.5)
print("ready", flush=True)
time.sleep(float(warm))
before, begun = counted, time.process_time()
time.sleep(float(seconds))
print(counted - before, 0, time.process_time() - begun, flush=True)
