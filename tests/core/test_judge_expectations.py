"""What must exist, held against the wire: every mismatch names the file and the line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vrrpcore.addresses import pack
from vrrpcore.judge.expectations import Expected, from_settings, hold
from vrrpcore.settings import Instance, Origin, Settings, VirtualAddress

from .wire import VIP, Host, Wire

FILE = "keepalived.conf"


def settings(**fields: object) -> Settings:
    instance = Instance(
        name="VI_1",
        vrid=51,
        interface="eth0",
        priority=150,
        addresses=(VirtualAddress(pack(VIP), 24),),
        origin=Origin(FILE, 10),
        origins={"advert_int": Origin(FILE, 14), "virtual_ipaddress": Origin(FILE, 20)},
    )
    return Settings(instances=(replace(instance, **fields),))  # type: ignore[arg-type]


def test_a_wire_that_is_as_written_stays_steady() -> None:
    judgement = Wire().adverts(Host(1, 150), 0, 5).judgement()
    assert hold(judgement, from_settings(settings()), hearing=True) == judgement


@pytest.mark.parametrize(
    ("change", "cause", "line"),
    [
        ({"advert_interval_seconds": 2.0}, "advert_int_mismatch", ":14"),
        ({"addresses": (VirtualAddress(pack("10.9.0.101"), 24),)}, "vip_list_mismatch", ":20"),
        ({"version": 3}, "version_mismatch", ":10"),
        ({"auth_type": "pass", "auth_data": b"1111"}, "auth_type_mismatch", ":10"),
        ({"source_address": pack("10.9.0.1"), "priority": 90}, "priority_mismatch", ":10"),
    ],
)
def test_each_difference_is_a_misconfiguration_with_its_line(change: dict[str, object], cause: str, line: str) -> None:
    judgement = Wire().adverts(Host(1, 150), 0, 5).judgement()
    held = hold(judgement, from_settings(settings(**change)), hearing=True)
    assert (held.worst.cls, held.worst.cause) == ("misconfig", cause)
    episode = held.routers[0].episodes[-1]
    assert FILE + line in episode.evidence[0]
    assert cause in held.routers[0].mismatches


def test_another_password_is_found_and_not_printed() -> None:
    host = Host(1, 150, auth_type=1, auth_data=b"2222\0\0\0\0")
    judgement = Wire().adverts(host, 0, 5).judgement()
    held = hold(judgement, from_settings(settings(auth_type="pass", auth_data=b"1111")), hearing=True)
    assert held.worst.cause == "auth_data_mismatch"
    assert "2222" not in str(held.as_json())
    assert "1111" not in str(held.as_json())


def test_a_router_that_is_not_heard_has_no_master_only_while_the_sensor_hears() -> None:
    judgement = Wire().adverts(Host(1, 150, vrid=7), 0, 5).judgement()
    wanted = from_settings(settings())
    assert hold(judgement, wanted, hearing=True).worst.cls == "no_master"
    assert hold(judgement, wanted, hearing=False).worst.cls == "steady"


def test_a_speaker_that_is_no_member_is_unexpected() -> None:
    judgement = Wire().adverts(Host(9, 150), 0, 5).judgement()
    held = hold(judgement, [Expected(51, members=("10.9.0.1", "10.9.0.2"))], hearing=True)
    assert (held.worst.cls, held.worst.cause) == ("misconfig", "unexpected_source")
    assert held.routers[0].episodes[-1].blamed == ("10.9.0.9",)


def test_a_split_brain_stays_the_worst() -> None:
    a, b = Host(1, 150), Host(2, 100)
    judgement = Wire().adverts(a, 0, 20).adverts(b, 5.4, 15).judgement()
    held = hold(judgement, from_settings(settings(advert_interval_seconds=2.0)), hearing=True)
    assert held.worst.cls == "split_brain"
