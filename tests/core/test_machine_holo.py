"""holo's conformance cases of the state machine (MIT; tests/data/fsm_cases_holo.json), run on ours.

Not applicable, each with its reason in NOT_OURS: what holo does with its own interface database.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.core.machine_setup import facts
from vrrpcore.addresses import pack, text
from vrrpcore.errors import ParseError
from vrrpcore.machine import (
    HOUSE,
    Advertise,
    Changed,
    Counters,
    Machine,
    ReleaseAddresses,
    State,
    TakeAddresses,
    refuse,
)
from vrrpcore.packet import Advertisement
from vrrpcore.settings import Instance, VirtualAddress

DATA = json.loads((Path(__file__).resolve().parents[1] / "data" / "fsm_cases_holo.json").read_text(encoding="utf-8"))
NOT_OURS = {
    "nb-config-instance1": "creation of holo's macvlan by a new configuration: the host's business, not the machine's",
    "nb-config-instance2": "deletion of holo's macvlan likewise",
    "nb-config-virtual-addr1": "an address added by a reload is installed by the speaker (test_speaker_reload)",
    "nb-config-virtual-addr2": "an address removed by a reload likewise",
    "nb-config-virtual-addr3": "expects nothing at all",
    "nb-config-virtual-addr4": "expects nothing at all",
}
STATES = {"initialize": (State.INIT, State.FAULT), "backup": (State.BACKUP,), "master": (State.MASTER,)}


def _instance(config: dict[str, Any]) -> tuple[Instance, bytes]:
    interface = next(i for i in config["ietf-interfaces:interfaces"]["interface"] if i["name"].startswith("eth"))
    ip = interface["ietf-ip:ipv4"]
    row = ip["ietf-vrrp:vrrp"]["vrrp-instance"][0]
    vips = row["virtual-ipv4-addresses"]["virtual-ipv4-address"]
    made = Instance(
        name="holo",
        vrid=row["vrid"],
        interface=interface["name"],
        version=2,
        priority=row.get("priority", 100),
        advert_interval_seconds=float(row.get("advertise-interval-sec", 1)),
        addresses=tuple(VirtualAddress(pack(each["ipv4-address"]), 32) for each in vips),
    )
    return made, pack(ip["address"][0]["ip"])


def _advert(packet: dict[str, Any]) -> Advertisement:
    return Advertisement(
        version=int(packet["version"][1]),
        vrid=packet["vrid"],
        priority=packet["priority"],
        addresses=tuple(pack(each) for each in packet["ip_addresses"]),
        interval=float(packet["adver_int"]),
        auth_data=bytes(8),
    )


def _brought_up(name: str) -> Machine:
    """The machine in the state that holo's topology leaves it in: rt1 and rt2 backups, rt3 master."""
    case = DATA["tests"][name]
    routers = DATA["topologies"][case["topology"]]
    made, address = _instance(routers[case["router"]]["config"])
    machine = Machine(made, HOUSE, address)
    machine.start(0.0)
    if case["router"] == "rt3":
        machine.tick(machine.deadline)
    else:
        strongest, source = _instance(routers["rt3"]["config"])
        packet = Advertisement(2, made.vrid, strongest.priority, (made.addresses[0].address,), 1.0, auth_data=bytes(8))
        machine.receive(packet, source, 1.0)
    return machine


def _feed(machine: Machine, step: dict[str, Any], counters: Counters) -> tuple[Any, ...]:
    now = 10.0
    if "MasterDownTimer" in step:
        return machine.tick(machine.deadline)
    if "InterfaceUpd" in step:
        return machine.fail(now) if "OPERATIVE" not in step["InterfaceUpd"]["flags"] else ()
    received = step["VrrpNetRxPacket"]
    try:
        if "Err" in received["packet"]:
            raise ParseError(next(iter(received["packet"]["Err"])).removesuffix("Error").lower())
        advert = _advert(received["packet"]["Ok"])
        if advert.vrid != machine.instance.vrid:
            raise ParseError("vrid")
        reason = refuse(machine.instance, machine.rules, advert, facts(source=pack(received["src"])))
        if reason:
            raise ParseError(reason)
    except ParseError as error:
        counters.refuse(error.reason, received["src"])
        return ()
    return machine.receive(advert, pack(received["src"]), now)


def _expected_sent(outputs: list[dict[str, Any]]) -> list[int]:
    sent = [each["NetTxPacket"]["Vrrp"]["packet"] for each in outputs if "Vrrp" in each["NetTxPacket"]]
    return [packet["vrrp"]["priority"] for packet in sent]


def _check_state(machine: Machine, tree: dict[str, Any]) -> None:
    rows = tree["ietf-interfaces:interfaces"]["interface"][0]["ietf-ip:ipv4"]["ietf-vrrp:vrrp"]["vrrp-instance"]
    assert machine.state in STATES[rows[0]["state"]]
    assert machine.new_master_reason == rows[0]["new-master-reason"]


@pytest.mark.parametrize("name", sorted(set(DATA["tests"]) - set(NOT_OURS)))
def test_holo_case(name: str) -> None:
    steps = DATA["tests"][name]["steps"]
    machine, counters = _brought_up(name), Counters()
    inputs = next(value for key, value in steps.items() if "-input-" in key)
    actions = _feed(machine, inputs[0], counters)
    sent = [each.priority for each in actions if isinstance(each, Advertise) and each.priority]
    if name == "packet2":  # holo keeps to RFC 5798 here; RFC 9568 §6.4.3 asserts at once, and so do we
        assert sent == [machine.priority]
    else:
        assert sent == _expected_sent(steps.get("01-output-protocol", []))
    for request in steps.get("01-output-ibus", []):
        taken = "InterfaceIpAddRequest" in request
        assert (TakeAddresses() if taken else ReleaseAddresses()) in actions
        address = next(iter(request.values()))["addr"].split("/")[0]
        assert address == text(machine.instance.addresses[0].address)
    for notice in steps.get("01-output-northbound-notif", []):
        kind, body = next(iter(notice.items()))
        if kind.endswith("new-master-event"):
            change = next(each for each in actions if isinstance(each, Changed))
            assert change.reason == body["new-master-reason"]
            assert text(machine.master_address) == body["master-ip-address"]
        else:
            wanted = body.get("protocol-error-reason") or body["virtual-router-error-reason"]
            assert list(counters.refused) == [wanted.removesuffix("-error")]
    if "01-output-northbound-state" in steps:
        _check_state(machine, steps["01-output-northbound-state"])


def test_what_does_not_apply_is_named() -> None:
    assert set(NOT_OURS) < set(DATA["tests"])
    assert len(DATA["tests"]) == 15
