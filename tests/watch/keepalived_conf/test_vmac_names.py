"""Default names of virtual interfaces: keepalived's (2.2.7, seen on running ones; the live test compares them)."""

from __future__ import annotations

from pathlib import Path

import pytest

from vrrpwatch.keepalived_conf import read


def instance(name: str, vip: str, use: str = "use_vmac") -> str:
    return (
        f"vrrp_instance {name} {{\n interface eth0\n version 3\n virtual_router_id 51\n priority 100\n {use}\n"
        f" virtual_ipaddress {{\n  {vip}\n }}\n}}\n"
    )


FOUR, SIX = "10.9.0.51/24", "fe80::51/64"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (instance("A", SIX), ["vrrp.51"]),
        (instance("A", SIX) + instance("B", FOUR), ["vrrp.51", "vrrp1.51"]),
        (instance("A", FOUR) + instance("B", SIX), ["vrrp.51", "vrrp6.51"]),
        (instance("A", FOUR, "use_vmac own") + instance("B", SIX), ["own", "vrrp.51"]),
        (instance("A", FOUR, "use_vmac own other") + instance("B", SIX, "use_vmac own"), ["own", "vrrp.51"]),
        (instance("A", FOUR, "use_vmac a-name-that-is-too-long"), ["vrrp.51"]),
        (instance("A", FOUR, "use_vmac one\n use_vmac two"), ["one"]),
        ("global_defs {\n vmac_prefix vx\n}\n" + instance("A", FOUR) + instance("B", SIX), ["vx.51", "vx6.51"]),
    ],
)
def test_a_virtual_interface_without_a_name_gets_keepalived_s(tmp_path: Path, text: str, names: list[str]) -> None:
    file = tmp_path / "keepalived.conf"
    file.write_text(text)
    settings, _ = read(str(file), "")
    assert [each.vmac.name for each in settings.instances if each.vmac is not None] == names
