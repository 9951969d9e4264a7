"""The pair that this project began with: two hosts, VRID 55, priorities 100 and 50, as found and as mended."""

from __future__ import annotations

from pathlib import Path

from vrrpcore.addresses import pack
from vrrpwatch.keepalived_conf import Finding, read
from vrrpwatch.keepalived_conf.cluster import compare

DATA = Path(__file__).parents[2] / "data" / "keepalived_conf"


def _by_code(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.code: finding for finding in findings}


def _compare(first: str, second: str) -> dict[str, Finding]:
    left, right = (read(str(DATA / name))[0] for name in (first, second))
    return _by_code(compare(left, right))


def test_the_model_is_what_the_pair_says() -> None:
    for name, priority, state in (("pair-a.conf", 100, "MASTER"), ("pair-b.conf", 50, "BACKUP")):
        settings, _ = read(str(DATA / name))
        (one,) = settings.instances
        assert (one.vrid, one.priority, one.state, one.interface) == (55, priority, state, "eth0")
        assert (one.version, one.advert_interval_seconds) == (2, 1.0)
        assert (one.auth_type, one.auth_data) == ("pass", b"1111")
        assert [(each.address, each.prefixlen) for each in one.addresses] == [(pack("10.122.111.99"), 24)]
        assert one.skip_check_adv_addr
        assert one.where("priority").line == 17


def test_the_mended_pair_agrees() -> None:
    assert not _compare("pair-a.conf", "pair-b.conf")


def test_the_stray_protocol_line_and_the_zero_intervals_are_named_with_their_lines() -> None:
    settings, findings = read(str(DATA / "pair-a-as-found.conf"))
    protocol = next(each for each in findings if each.code == "unknown-keyword")
    assert (protocol.line, protocol.severity) == (29, "error")
    assert protocol.fix == "it belongs into virtual_server"
    assert [each.line for each in findings if each.code == "invalid-value"] == [12, 13]
    assert settings.instances[0].garp.garp_interval_seconds == 0.0
    assert settings == read(str(DATA / "pair-a.conf"))[0]


def test_nopreempt_with_state_master_is_a_trap_and_the_variant_of_the_document_is_not() -> None:
    settings, findings = read(str(DATA / "pair-a-nopreempt.conf"))
    assert not settings.instances[0].preempt
    assert "nopreempt-master" not in _by_code(findings)
    text = (DATA / "pair-a-nopreempt.conf").read_text().replace("state BACKUP", "state MASTER")
    trap = _read_text(text)
    assert "nopreempt-master" in trap


def _read_text(text: str) -> dict[str, Finding]:
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        return _by_code(read(file.name)[1])


def test_what_would_split_the_pair_is_found(tmp_path: Path) -> None:
    cases = {
        "cluster-vrid": ("virtual_router_id 55", "virtual_router_id 56"),
        "cluster-auth-pass": ("auth_pass 1111", "auth_pass 2222"),
        "cluster-auth-type": ("auth_type PASS", "auth_type AH"),
        "cluster-advert-int": ("advert_int 1", "advert_int 2"),
        "cluster-version": ("advert_int 1", "advert_int 1\n    version 3"),
        "cluster-addresses": ("10.122.111.99/24", "10.122.111.99/24\n        10.122.111.98/24"),
        "cluster-vrid-collision": ("10.122.111.99/24", "10.122.111.98/24"),
        "cluster-prefix": ("10.122.111.99/24", "10.122.111.99/32"),
        "cluster-unicast": ("advert_int 1", "advert_int 1\n    unicast_peer {\n        10.122.111.80\n    }"),
        "cluster-group": ("advert_int 1", "advert_int 1\n    mcast_dst_ip 224.0.0.20"),
        "cluster-priority": ("priority 50", "priority 100"),
        "cluster-nopreempt": ("advert_int 1", "advert_int 1\n    nopreempt"),
        "cluster-state": ("state BACKUP", "state MASTER"),
    }
    first, _ = read(str(DATA / "pair-a.conf"))
    original = (DATA / "pair-b.conf").read_text()
    for code, (old, new) in cases.items():
        file = tmp_path / f"{code}.conf"
        assert old in original
        file.write_text(original.replace(old, new, 1))
        findings = _by_code(compare(first, read(str(file))[0]))
        assert code in findings, (code, list(findings))
        place = findings[code]
        assert place.file in (str(file), str(DATA / "pair-a.conf"))
        assert place.line > 1


def test_unicast_peers_that_do_not_name_each_other_are_found(tmp_path: Path) -> None:
    files = []
    for own, other in (("10.122.111.80", "10.122.111.82"), ("10.122.111.81", "10.122.111.80")):
        file = tmp_path / f"{own}.conf"
        text = (DATA / "pair-a.conf").read_text()
        unicast = f"unicast_src_ip {own}\n    unicast_peer {{\n        {other}\n    }}"
        file.write_text(text.replace("advert_int 1", f"advert_int 1\n    {unicast}"))
        files.append(read(str(file))[0])
    found = [each for each in compare(*files) if each.code == "cluster-peer"]
    assert [each.file for each in found] == [str(tmp_path / "10.122.111.80.conf")]
    assert "10.122.111.81" in found[0].message
