"""A cable in a namespace of its own, for tests of what the kernel does with frames."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyroute2 import IPRoute, netns


def lay(route: IPRoute) -> dict[str, int]:
    """Make the pair, down and without IPv6 (else the kernel reports its groups on it); its interface indexes."""
    route.link("add", ifname="in", kind="veth", peer="out")
    for end in ("in", "out"):
        Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1", encoding="ascii")
    return {end: route.link_lookup(ifname=end)[0] for end in ("in", "out")}


@contextmanager
def cable(name: str) -> Iterator[dict[str, int]]:
    """Put this thread into a new namespace with a veth pair `in`, `out`; gives their interface indexes.

    No addresses and no IPv6: nothing is on the cable but what the test sends. The namespace goes with the test.
    """
    name = f"vw-{name}-{os.getpid()}"
    netns.create(name)
    netns.pushns(name)
    try:
        with IPRoute() as route:
            indexes = lay(route)
            for index in indexes.values():
                route.link("set", index=index, state="up")
            route.poll(route.link, "dump", timeout=10, index=indexes["out"], operstate="UP")
        yield indexes
    finally:
        netns.popns()
        netns.remove(name)
