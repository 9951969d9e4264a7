"""Delays of link changes, and what of a configuration is polled or needed: pure parts of the speaker's links."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from tests.core.machine_setup import instance
from vrrpcore.addresses import pack
from vrrpcore.settings import (
    GlobalDefs,
    InterfaceDelay,
    Nexthop,
    Route,
    Rule,
    Settings,
    StaticAddress,
    Track,
    TrackGroup,
    Tracking,
    VirtualAddress,
    Vmac,
)
from vrrpcore.speaker.debounce import Debounce
from vrrpcore.speaker.linkstates import longest_delays, polled_links
from vrrpcore.speaker.ownlinks import sides_of
from vrrpcore.speaker.statics import devices


def debounce(down: float = 0.8, up: float = 0.4, **changes: object) -> Debounce:
    made = Debounce()
    one = instance(vmac=Vmac("vrrp.51"))
    made.configure(Settings(interface_delays=(InterfaceDelay("eth0", down, up),), instances=(one,)))
    return made


def test_a_change_counts_when_it_has_lasted() -> None:
    made = debounce()
    assert made.names == ("eth0", "vrrp.51")  # a virtual interface has the delays of its parent
    assert made.see("eth0", True, 10.0) is True
    assert made.see("eth0", False, 11.0) is True
    assert made.deadline == 11.8
    assert made.see("eth0", False, 11.5) is True  # told again: the delay runs on
    assert made.due(11.79) == []
    assert made.due(11.8) == ["eth0"]
    assert (made.see("eth0", False, 11.8), made.deadline) == (False, inf)
    assert made.see("eth0", True, 12.0) is False
    assert made.due(12.4) == ["eth0"]
    assert made.see("eth0", True, 12.4) is True


def test_a_change_that_is_taken_back_never_counted() -> None:
    made = debounce()
    made.see("eth0", True, 10.0)
    made.see("eth0", False, 11.0)
    assert made.see("eth0", True, 11.7) is True
    assert (made.deadline, made.due(20.0)) == (inf, [])


def test_no_delay_no_waiting_and_an_interface_that_goes_is_gone_at_once() -> None:
    made = debounce(up=0.0)
    made.see("eth0", False, 10.0)
    assert made.see("eth0", True, 11.0) is True
    made.see("eth0", False, 12.0)
    assert (made.see("eth0", None, 12.1), made.deadline) == (None, inf)
    assert made.see("eth0", False, 13.0) is False  # made again: its first state is what it is


def test_a_reload_without_the_delay_forgets_what_was_pending() -> None:
    made = debounce()
    made.see("eth0", True, 10.0)
    made.see("eth0", False, 11.0)
    made.configure(Settings())
    assert (made.names, made.deadline, made.due(20.0)) == ((), inf, [])


def test_no_delay_is_so_long_that_a_deaf_backup_would_take_over() -> None:
    one = instance(advert_interval_seconds=0.5, tracking=Tracking(interfaces=(Track("eth2"),)))
    settings = Settings(instances=(one,), interface_delays=(InterfaceDelay("eth2", 3.0, 0.2),))
    limits = longest_delays(settings)
    assert limits == {"eth0": 0.998046875, "eth2": 0.998046875}
    made = Debounce()
    made.configure(settings, limits)
    made.see("eth2", True, 10.0)
    made.see("eth2", False, 11.0)
    assert made.deadline == 11.998046875


def test_which_links_are_polled() -> None:
    one = instance(tracking=Tracking(interfaces=(Track("eth2"),)))
    assert polled_links(Settings(instances=(one,))) == []
    own = Settings(instances=(replace(one, linkbeat_use_polling=True),))
    assert polled_links(own) == [("eth0", "")]
    named = GlobalDefs(linkbeat_interfaces=(("eth1", "ETHTOOL"), ("eth0", "")))
    assert polled_links(Settings(named, instances=(one,))) == [("eth1", "ETHTOOL"), ("eth0", "")]
    everything = GlobalDefs(linkbeat_use_polling=True)
    assert polled_links(Settings(everything, instances=(one,))) == [("eth0", ""), ("eth2", "")]


def test_what_an_instance_cannot_do_without() -> None:
    def address(dev: str, no_track: bool = False) -> VirtualAddress:
        return VirtualAddress(pack("10.8.0.1"), 24, dev=dev, no_track=no_track)

    def route(dev: str, **changes: object) -> Route:
        return Route(pack("192.0.2.0"), 24, (Nexthop(dev=dev),), **changes)  # type: ignore[arg-type]

    one = instance(
        addresses=(address(""), address("eth0"), address("eth1"), address("eth2", no_track=True)),
        excluded_addresses=(address("eth3"),),
        routes=(route("eth4"), route("eth5", no_track=True)),
        rules=(Rule(iif="eth6"), Rule(oif="eth7", no_track=True)),
    )
    settings = Settings(
        addresses=(StaticAddress(pack("10.7.0.1"), 24, track_group="T"), StaticAddress(pack("10.7.0.2"), 24, dev="x")),
        routes=(route("eth8", track_group="T"), route("y", track_group="OTHER")),
        rules=(Rule(iif="eth9", track_group="T"),),
        track_groups=(TrackGroup("T", ("VI_1",)), TrackGroup("OTHER", ("VI_2",))),
        global_defs=GlobalDefs(default_interface="ethd"),
    )
    assert devices(one, settings) == {"eth1", "eth3", "eth4", "eth6", "eth8", "eth9", "ethd"}


def test_which_addresses_share_a_virtual_interface_beside_the_router_s_own() -> None:
    def address(where: str, dev: str = "", use_vmac: bool = False) -> VirtualAddress:
        return VirtualAddress(pack(where), 24, dev=dev, use_vmac=use_vmac)

    own, there, other = address("10.9.0.1"), address("10.8.0.1", "eth1"), address("fd00::1")
    asked = address("10.8.0.2", "eth1", use_vmac=True)
    plain = instance(addresses=(own, there, asked), excluded_addresses=(other,), vmac=Vmac("vrrp.51"))
    assert sides_of(plain) == (("eth1", 4),)
    assert sides_of(replace(plain, vmac_for_addresses=True)) == (("eth1", 4), ("eth0", 6))
    assert sides_of(replace(plain, vmac=None, addresses=(address("10.9.0.1", use_vmac=True),))) == (("eth0", 4),)
    assert sides_of(replace(plain, addresses=(address("10.9.0.1", use_vmac=True),))) == ()
