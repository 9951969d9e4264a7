"""Two files of one cluster compared: what would keep the routers from seeing each other, or make both master."""

from __future__ import annotations

from vrrpcore.addresses import text
from vrrpcore.settings import Instance, Origin, Settings
from vrrpwatch.keepalived_conf.findings import Finding, Severity


def compare(first: Settings, second: Settings) -> list[Finding]:
    """Findings about a pair of configurations; each names the line of the second file and quotes the first."""
    return _Comparison(first, second).run()


def compare_all(configurations: list[Settings]) -> list[Finding]:
    """Every file against the first one, and equal priorities among the rest."""
    found: list[Finding] = []
    for index, one in enumerate(configurations):
        for other in configurations[index + 1 :]:
            found += compare(one, other)
    return found


class _Comparison:
    def __init__(self, first: Settings, second: Settings) -> None:
        self._first, self._second = first, second
        self._found: list[Finding] = []

    def _tell(self, where: Origin, severity: Severity, code: str, message: str, fix: str) -> None:
        line = max(1, where.line)
        self._found.append(Finding(where.file, line, where.column, line, severity, code, message, fix))

    def run(self) -> list[Finding]:
        """Pairs are instances of one VRID and family; what stays single is told."""
        others = {(each.vrid, each.family): each for each in self._second.instances}
        for one in self._first.instances:
            other = others.pop((one.vrid, one.family), None)
            if other is not None:
                self._pair(one, other)
            elif (partner := self._single(one, self._second)) is not None:
                others.pop((partner.vrid, partner.family), None)
        for other in others.values():
            self._single(other, self._first)
        return self._found

    def _single(self, one: Instance, elsewhere: Settings) -> Instance | None:
        """An instance whose VRID the other file does not have: perhaps its name or addresses are there."""
        addresses = {address.address for address in one.addresses}
        for other in elsewhere.instances:
            shared = addresses & {address.address for address in other.addresses}
            if (shared or other.name == one.name) and other.family == one.family and other.vrid != one.vrid:
                what = text(min(shared)) if shared else f"the name {one.name}"
                self._tell(
                    one.where("virtual_router_id"),
                    Severity.ERROR,
                    "cluster-vrid",
                    f"{what} has VRID {one.vrid} here and {other.vrid} at {other.where('virtual_router_id')}: "
                    "the routers do not hear each other, both become master",
                    "use one virtual_router_id on all routers",
                )
                return other
        self._tell(
            one.origin,
            Severity.WARNING,
            "cluster-single",
            f"{one.name} (VRID {one.vrid}, IPv{one.family}) has no partner in"
            f" {elsewhere.files[0] if elsewhere.files else 'the other file'}",
            "add it there, or remove it here",
        )
        return None

    def _pair(self, one: Instance, other: Instance) -> None:
        self._same(
            one, other, "version", "version", one.version, other.version, "versions", "use one version on all routers"
        )
        if one.version == other.version == 2:
            self._authentication(one, other)
        self._interval(one, other)
        self._destination(one, other)
        self._addresses(one, other)
        self._election(one, other)

    def _same(
        self, one: Instance, other: Instance, keyword: str, code: str, left: object, right: object, what: str, fix: str
    ) -> None:
        if left == right:
            return
        self._tell(
            other.where(keyword),
            Severity.ERROR,
            f"cluster-{code}",
            f"VRID {one.vrid}: {what} differ, {right} here and {left} at {one.where(keyword)}: "
            "each router rejects the other's adverts, both become master",
            fix,
        )

    def _authentication(self, one: Instance, other: Instance) -> None:
        fix = "use the same authentication on all routers, or none"
        self._same(one, other, "auth_type", "auth-type", one.auth_type, other.auth_type, "kinds of authentication", fix)
        if one.auth_type == other.auth_type != "none" and one.auth_data != other.auth_data:
            self._tell(
                other.where("auth_pass"),
                Severity.ERROR,
                "cluster-auth-pass",
                f"VRID {one.vrid}: auth_pass is not the one at {one.where('auth_pass')}: "
                "each router rejects the other's adverts, both become master",
                "use the same first 8 octets on all routers",
            )

    def _interval(self, one: Instance, other: Instance) -> None:
        left, right = one.advert_interval_seconds, other.advert_interval_seconds
        if left == right:
            return
        if one.version == 2 or other.version == 2:
            fix = "use the same advert_int on all routers"
            self._same(
                one, other, "advert_int", "advert-int", f"{left:g} s", f"{right:g} s", "advertisement intervals", fix
            )
        else:
            self._tell(
                other.where("advert_int"),
                Severity.WARNING,
                "cluster-advert-int",
                f"VRID {one.vrid}: advert_int is {right:g} here and {left:g} at {one.where('advert_int')}: "
                "backups learn the master's, but at start the quicker one becomes master first",
                "use the same advert_int on all routers",
            )

    def _destination(self, one: Instance, other: Instance) -> None:
        if one.unicast != other.unicast:
            single = other if other.unicast else one
            self._tell(
                other.where("unicast_peer"),
                Severity.ERROR,
                "cluster-unicast",
                f"VRID {one.vrid}: {single.name} at {single.where('unicast_peer')} uses unicast, the other multicast: "
                "they do not hear each other, both become master",
                "list each other as unicast_peer on all routers, or on none",
            )
        elif one.unicast:
            self._peers(one, other)
            self._peers(other, one)
        elif one.multicast_group != other.multicast_group:
            left, right = text(one.multicast_group), text(other.multicast_group)
            fix = "use one group on all routers"
            self._same(one, other, "mcast_dst_ip", "group", left, right, "multicast groups", fix)

    def _peers(self, one: Instance, other: Instance) -> None:
        """Whether `one` names the address that `other` sends from."""
        if other.source_address is None:
            return
        if other.source_address not in {peer.address for peer in one.unicast_peers}:
            self._tell(
                one.where("unicast_peer"),
                Severity.ERROR,
                "cluster-peer",
                f"VRID {one.vrid}: {text(other.source_address)}, the unicast_src_ip at {other.where('unicast_src_ip')},"
                " is not among the peers here: that router hears nothing from this one",
                f"add {text(other.source_address)} to unicast_peer",
            )

    def _addresses(self, one: Instance, other: Instance) -> None:
        left = {address.address for address in one.addresses}
        right = {address.address for address in other.addresses}
        if left != right:
            missing = ", ".join(text(each) for each in sorted(left - right)) or "nothing"
            extra = ", ".join(text(each) for each in sorted(right - left)) or "nothing"
            whose = other.where("virtual_ipaddress")
            disjoint = bool(left and right) and not left & right
            self._tell(
                whose,
                Severity.ERROR,
                "cluster-vrid-collision" if disjoint else "cluster-addresses",
                f"VRID {one.vrid}: the address lists differ from {one.where('virtual_ipaddress')}: "
                f"missing here {missing}; only here {extra}. "
                + (
                    "Two clusters with one VRID on one LAN disturb each other"
                    if disjoint
                    else "keepalived up to 2.3.2 rejects such adverts, both become master"
                ),
                "use another virtual_router_id for one of them" if disjoint else "use one list on all routers",
            )
        lengths = {address.address: address.prefixlen for address in one.addresses}
        for address in other.addresses:
            if lengths.get(address.address, address.prefixlen) != address.prefixlen:
                self._tell(
                    address.origin,
                    Severity.WARNING,
                    "cluster-prefix",
                    f"{text(address.address)} has /{address.prefixlen} here and /{lengths[address.address]} in the"
                    " other file",
                    "use one prefix length on all routers",
                )

    def _election(self, one: Instance, other: Instance) -> None:
        if one.priority == other.priority:
            owner = one.priority == 255
            self._tell(
                other.where("priority"),
                Severity.ERROR if owner else Severity.WARNING,
                "cluster-priority",
                f"VRID {one.vrid}: both routers have priority {one.priority}"
                + (
                    ": both claim to own the addresses and start as master"
                    if owner
                    else (
                        f" (also {one.where('priority')}): the higher address decides, and both may start as master for"
                        " a moment"
                    )
                ),
                "give the routers different priorities",
            )
        for each, partner in ((one, other), (other, one)):
            if each.state == "MASTER" and not partner.preempt and partner.state == "BACKUP":
                self._tell(
                    each.where("state"),
                    Severity.WARNING,
                    "cluster-nopreempt",
                    f"VRID {one.vrid}: state MASTER here, nopreempt at {partner.where('nopreempt')}: "
                    "after a restart this router takes the address back all the same",
                    "write state BACKUP and nopreempt on both routers",
                )
        if one.preempt and other.preempt and one.state == other.state == "MASTER":
            self._tell(
                other.where("state"),
                Severity.WARNING,
                "cluster-state",
                f"VRID {one.vrid}: state MASTER on both routers",
                "write state BACKUP on both; the priority decides",
            )
        if one.down_timer_adverts != other.down_timer_adverts:
            self._tell(
                other.where("down_timer_adverts"),
                Severity.WARNING,
                "cluster-down-timer",
                f"VRID {one.vrid}: down_timer_adverts is {other.down_timer_adverts} here and {one.down_timer_adverts}"
                " in the other file",
                "use one value on all routers",
            )
        if one.strict != other.strict:
            self._tell(
                other.where("strict_mode"),
                Severity.WARNING,
                "cluster-strict",
                f"VRID {one.vrid}: strict mode on one router only",
                "use it on all routers or on none",
            )
