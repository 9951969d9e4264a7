"""Lines of virtual_routes and static_routes: iproute2's syntax as keepalived reads it."""

from __future__ import annotations

from vrrpcore.settings import Nexthop, Route
from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.bind import Binder, origin
from vrrpwatch.keepalived_conf.network_words import missing_value, table_name
from vrrpwatch.keepalived_conf.nodes import Line
from vrrpwatch.keepalived_conf.route_options import OptionReader, realms, service
from vrrpwatch.keepalived_conf.table import BadWord, Missing, checked
from vrrpwatch.keepalived_conf.words import Word

KINDS = (
    "unicast",
    "local",
    "broadcast",
    "multicast",
    "throw",
    "unreachable",
    "prohibit",
    "blackhole",
    "nat",
    "anycast",
    "xresolve",
)
_PROTOCOLS = (
    "kernel",
    "boot",
    "static",
    "redirect",
    "ra",
    "bird",
    "babel",
    "bgp",
    "isis",
    "ospf",
    "rip",
    "eigrp",
    "zebra",
    "gated",
    "mrt",
    "dhcp",
    "xorp",
    "ntk",
    "keepalived",
    "none",
    "unspec",
)


class _RouteReader(OptionReader):
    def read(self) -> Route:
        self.destination: tuple[bytes, int] | None = None
        self.has_destination = False
        self.via: bytes | None = None
        self.dev = ""
        self.onlink = False
        self.hops: list[Nexthop] = []
        while self.at < len(self.words):
            if self.words[self.at].text == "nexthop":
                self._nexthops()
                break
            self._option(self.words[self.at])
            self.at += 1
        if not self.has_destination:
            raise BadWord(self.words[0], "the route has no destination")
        return self._finish()

    def _option(self, word: Word) -> None:
        name = word.text
        if name in ("inet", "inet6"):
            self.set_family(word, 6 if name == "inet6" else 4)
        elif name == "src":
            self.found["source"] = self.address(self.value())
        elif name in ("via", "gw"):
            self._via(word)
        elif name == "from":
            self._from(self.value())
        elif name in ("dev", "oif"):
            self.dev = self.interface(self.value())
        elif name in ("metric", "priority", "preference"):
            self.found["metric"] = checked(self.value(), values.unsigned)
        elif name in ("tos", "dsfield"):
            self.found["tos"] = service(self.value())
        elif name == "table":
            self.found["table"] = table_name(self.value())
        elif name == "scope":
            checked(scope := self.value(), values.scope)
            self.found["scope"] = scope.text
        elif name == "protocol":
            self._protocol(self.value())
        elif name in ("onlink", "no_track", "add", "append", "prepend", "or", "track_group"):
            self._plain(name)
        elif not self.metric(name) and not self.option(word):
            self._target(word)

    def _plain(self, name: str) -> None:
        if name == "onlink":
            self.onlink = True
        elif name == "no_track":
            self.found["no_track"] = True
        elif name == "track_group":
            self.found["track_group"] = self.value().text
        elif name == "or":
            self.binder.warn(self.line, "deprecated", '"or" is deprecated', "write nexthop via …", exit_code=5)
            self.hops += [Nexthop(self.via), Nexthop(self.address(self.value()))]
            self.via = None

    def _via(self, word: Word) -> None:
        if word.text == "gw":
            self.binder.warn(self.line, "deprecated", '"gw" is deprecated', "write via", exit_code=5, word=word)
        target = self.value()
        if target.text in ("inet", "inet6"):
            self.set_family(target, 6 if target.text == "inet6" else 4)
            target = self.value()
        self.via = self.address(target)

    def _from(self, word: Word) -> None:
        network = self.network(word)
        if network is None or len(network[0]) != 16:
            raise BadWord(word, "from is for IPv6 routes only")
        self.found["from_network"] = network

    def _protocol(self, word: Word) -> None:
        if not word.text.isdigit() and word.text not in _PROTOCOLS:
            raise BadWord(word, f"'{word.text}' is no routing protocol")
        self.found["protocol"] = word.text

    def _target(self, word: Word) -> None:
        if word.text == "to":
            word = self.value()
        if word.text in KINDS:
            self.found["kind"] = word.text
            word = self.value()
        try:
            self.destination = self.network(word)
        except BadWord as bad:
            message = (
                str(bad)
                if values.placeholder(word.text, True) or "." in word.text
                else f"'{word.text}' is no word of a route"
            )
            raise BadWord(word, message) from None
        self.has_destination = True

    def _nexthops(self) -> None:
        while self.at < len(self.words) and self.words[self.at].text == "nexthop":
            self.at += 1
            self.hops.append(self._nexthop())
        if self.at < len(self.words):
            raise BadWord(self.words[self.at], f"'{self.words[self.at].text}' cannot follow nexthops")

    def _nexthop(self) -> Nexthop:
        via, dev, weight, onlink, flow, encap = None, "", 1, False, "", None
        while self.at < len(self.words) and self.words[self.at].text != "nexthop":
            name = self.words[self.at].text
            if name == "via":
                target = self.value()
                if target.text in ("inet", "inet6"):
                    target = self.value()
                via = self.address(target)
            elif name == "dev":
                dev = self.interface(self.value())
            elif name == "weight":
                weight = checked(self.value(), values.unsigned, 1, 256)
            elif name == "onlink":
                onlink = True
            elif name == "realms":
                flow = realms(self.value())
            elif name == "encap":
                encap = self.encap()
            else:
                break
            self.at += 1
        return Nexthop(via, dev, weight, onlink, flow, encap)

    def _finish(self) -> Route:
        hops = self.hops
        self.collected()
        if not hops and (self.via is not None or self.dev or self.onlink):
            hops = [Nexthop(self.via, self.dev, 1, self.onlink)]
        if not self.found.get("no_track"):
            if self.found.get("protocol") not in (None, "keepalived", "112", "18"):
                self.binder.warn(
                    self.line,
                    "route-protocol",
                    "keepalived sets its own protocol on routes that it tracks",
                    "add no_track",
                    exit_code=5,
                )
                del self.found["protocol"]
            if not self.dev:
                self.binder.warn(
                    self.line,
                    "route-not-tracked",
                    "a route without dev cannot be tracked",
                    "name the interface with dev, or add no_track",
                    exit_code=5,
                )
                self.found["no_track"] = True
        if self.found.get("track_group") and not self.dev:
            self.binder.error(
                self.line, "invalid-value", "track_group needs dev; it is ignored", "name the interface with dev"
            )
            del self.found["track_group"]
        packed, length = self.destination or (self.zero(), 0)
        words = tuple(word.text for word in self.words)
        return Route(packed, length, tuple(hops), words=words, origin=origin(self.line, self.words[0]), **self.found)


def route(binder: Binder, line: Line, what: str) -> Route | None:
    """One route, or None (with a finding) when keepalived drops it."""
    try:
        return _RouteReader(line, binder, what).read()
    except BadWord as bad:
        binder.refuse(line, bad, "the route is dropped", what)
    except Missing:
        missing_value(binder, line, what)
    return None
