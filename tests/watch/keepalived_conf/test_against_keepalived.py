"""The installed keepalived as judge of our reader: keyword by keyword, and mistake by mistake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.watch.keepalived_conf import oracle
from tests.watch.keepalived_conf.mistakes import MISTAKES, Mistake
from tests.watch.keepalived_conf.samples import Sheet, sheets
from vrrpwatch.keepalived_conf import Finding, config_test_code, read, read_all
from vrrpwatch.keepalived_conf.host import on_this_host

pytestmark = pytest.mark.skipif(bool(oracle.missing()), reason=oracle.missing() or "the oracle is there")


VARIANTS = Path(__file__).parents[2] / "data" / "keepalived_conf" / "variants"


@pytest.fixture(scope="module")
def space() -> Iterator[str]:
    with oracle.namespace() as name:
        yield name


def _covers(findings: list[Finding], line: int) -> bool:
    return any(each.line <= line <= each.end_line for each in findings)


#: What keepalived notices while it reads the line; of all else it complains at the end, without a line number.
AT_THE_LINE = {
    *(
        "invalid-value",
        "missing-parameter",
        "unfilled-placeholder",
        "repeated-keyword",
        "deprecated",
        "unknown-keyword",
    ),
    *("address-family", "password-truncated", "version-conflict"),
}


def _complains(findings: list[Finding], line: int) -> bool:
    """Whether we expect keepalived to complain of exactly this line."""
    return any(each.exit_code and each.line == line and each.code in AT_THE_LINE for each in findings)


@pytest.mark.parametrize("sheet", list(sheets(rejected=False)), ids=lambda each: each.title)
def test_keyword_values_that_the_tables_accept_are_accepted_by_keepalived(
    sheet: Sheet, space: str, tmp_path: Path
) -> None:
    _compare(sheet, space, tmp_path, refused=False)


@pytest.mark.parametrize("sheet", list(sheets(rejected=True)), ids=lambda each: each.title)
def test_keyword_values_that_the_tables_reject_are_rejected_by_keepalived(
    sheet: Sheet, space: str, tmp_path: Path
) -> None:
    _compare(sheet, space, tmp_path, refused=True)


def _compare(sheet: Sheet, space: str, tmp_path: Path, refused: bool) -> None:
    file = tmp_path / "keepalived.conf"
    file.write_text(sheet.text)
    answer = oracle.config_test(space, file)
    theirs = answer.lines()
    _, findings = read(str(file), "node")
    wrong = []
    for sample in sheet.samples:
        ours = _complains(findings, sample.line)
        if ours != (sample.line in theirs):
            wrong.append(f"{sheet.text.splitlines()[sample.line - 1].strip()}: ours {ours}, theirs {not ours}")
        elif refused and not ours:
            wrong.append(f"{sample.keyword.name}: the rejected sample is accepted by both")
    assert not wrong, "\n".join([*wrong, *answer.messages])


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.name)
def test_every_line_that_keepalived_complains_of_lies_in_a_finding(
    mistake: Mistake, space: str, tmp_path: Path
) -> None:
    file = tmp_path / "keepalived.conf"
    file.write_bytes(mistake.data)
    _covered(file, space)


@pytest.mark.parametrize("path", sorted(VARIANTS.glob("*.conf")), ids=lambda path: path.stem)
def test_files_as_people_have_them_are_judged_as_keepalived_does(path: Path, space: str) -> None:
    _covered(path, space)


def _covered(file: Path, space: str) -> None:
    """Every line that keepalived complains of is in a finding, and its exit code is ours."""
    answer = oracle.config_test(space, file)
    reading = read_all(str(file), "node")
    findings = [each for each in on_this_host(reading) if not each.code.startswith("interface-")]  # those of another
    missed = [line for line in sorted(answer.lines()) if not _covers(findings, line)]
    assert not missed, "\n".join([f"missed lines {missed}", *answer.messages])
    if answer.code >= 0:  # an HTTP_GET without a url kills keepalived 2.2.7 by SIGSEGV
        assert config_test_code(findings) == answer.code, "\n".join(answer.messages)


NOWHERE = {
    "the instance's": ("interface eth0", "interface nowhere0"),
    "an address's": ("10.9.0.100", "10.9.0.100 dev nowhere0"),
    "a tracked one": ("track_script {", "track_interface {\n nowhere0\n }\n track_script {"),
    "a route's": ("track_script {", "virtual_routes {\n 10.1.0.0/16 dev nowhere0\n }\n track_script {"),
    "none": ("eth0", "eth0"),
}


@pytest.mark.parametrize("change", NOWHERE.values(), ids=NOWHERE)
def test_an_interface_that_is_not_there_comes_before_the_security_of_scripts(
    change: tuple[str, str], space: str, tmp_path: Path
) -> None:
    text = (
        "vrrp_script x {\n script /usr/bin/true\n}\nvrrp_instance A {\n interface eth0\n virtual_router_id 7\n"
        " priority 9\n virtual_ipaddress {\n 10.9.0.100\n }\n track_script {\n x\n }\n}\n"
    )
    file = tmp_path / "keepalived.conf"
    file.write_text(text.replace(*change))
    reading = read_all(str(file), "node")
    here = [
        each for each in on_this_host(reading) if not each.code.startswith("interface-") or "nowhere0" in each.message
    ]
    assert config_test_code(here) == oracle.config_test(space, file).code == (5 if "nowhere0" in change[1] else 6)


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("mode", [0o755, 0o777, 0o644])
def test_scripts_that_others_can_change_or_nobody_can_run(
    mode: int, tracked: bool, secure: bool, space: str, tmp_path: Path
) -> None:
    script = tmp_path / "does.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(mode)
    use = "track_script {\n x\n }" if tracked else f"notify_master {script}"
    file = tmp_path / "keepalived.conf"
    file.write_text(
        ("global_defs {\n script_user root\n enable_script_security\n}\n" if secure else "")
        + (f"vrrp_script x {{\n script {script}\n}}\n" if tracked else "")
        + "vrrp_instance A {\n interface eth0\n virtual_router_id 7\n priority 9\n"
        + f" virtual_ipaddress {{\n 10.9.0.100\n }}\n {use}\n}}\n"
    )
    _covered(file, space)


_VIA = "192.0.2.0/30 via 10.9.0.2 dev eth0 "
_VIA6 = "2001:db8::/48 via fd00:9::2 dev eth0 "
_FROM = "from 10.9.0.100 table 9 priority 5 "
#: What a route or rule may say, and what it may not: every line is asked about alone.
TAKEN = (
    *(_VIA + more for more in ("window 0", "mtu 4294967295", "realms 0x5/6", "features ecn mtu 1400", "congctl foo")),
    *(_VIA + more for more in ("tos AF11", "metric 4294967295", "hoplimit 255", "advmss lock 9", "advmss 9 advmss 8")),
    *(_VIA + more for more in ("encap mpls 100/200", "encap ip id 5 dst 10.1.1.1", "rtt 1.5secs", "rto_min lock 7ms")),
    *(_VIA6 + more for more in ("pref medium", "pref 3", "expires 0", "from 2001:db8::1", "ttl-propagate enabled")),
    _VIA6 + "encap ip6 dst 2001::1 tc 255 flags 1",
    *(
        _FROM + more
        for more in ("sport 90-80", "sport 0-70000", "uidrange 6-5", "ipproto TCP", "ipproto 47", "sup_pl 4")
    ),
    *(
        _FROM + more
        for more in ("suppress_prefixlength 200", "sup_group 5", "tunnel-id 7", "realms 0x5/3", "dsfield CS1")
    ),
    *(_FROM + more for more in ("fwmark 0x5/0x3", "not", "iif eth0 oif eth1", "protocol 7 no_track")),
)
REFUSED = (
    *(
        _VIA + more
        for more in ("rttvar 99999999999", "rtt 1us", "rtt 5m", "rtt 0x20", "window 4294967296", "mtu 0x500")
    ),
    *(_VIA + more for more in ("realms /6", "realms 6/", "realms 70000", "realms nowhere", "features all", "as 5")),
    *(_VIA + more for more in ("ttl-propagate on", "tos 0x100", "tos lowdelay", "hoplimit 256", "hoplimit lock 9")),
    *(_VIA + more for more in ("quickack 2", "vrf blue", "expires 5", "pref high", "ssthresh 1.5", "metric 0x10")),
    *(_VIA + more for more in ("encap mpls foo", "encap foo", "encap ip6 dst 10.1.1.1", "encap ip src 10.1.1.1")),
    *(_VIA + more for more in ("encap ip", "encap ip dst 10.1.1.1 ttl 300", "scope 256", "weight 5", "metric -5")),
    *(_VIA6 + more for more in ("pref foo", "expires 0x10", "realms 5", "encap ip6 dst 2001::1 tc 256")),
    *(_FROM + more for more in ("sport 80", "sport a-b", "uidrange 5", "ipproto foo", "ipproto 300", "realms 5/")),
    *(_FROM + more for more in ("suppress_prefixlength 0x8", "suppress_ifgroup foo", "tunnel-id 0x5", "protocol 300")),
    *(_FROM + more for more in ("protocol static", "protocol 77", "realms foo", "tos foo", "tos 0x100", "ip_proto 6")),
    *(_FROM + more for more in ("l3mdev", "goto 7", "fwmark a", "tun_id 5", "pref 7")),
    *("from 10.9.0.100 table 0 priority 9", "inet6 table 63 priority 9", "from 10.9.0.100 sport 1-2 priority 8"),
)


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "refused"])
def test_each_word_of_routes_and_rules_is_taken_or_refused_as_there(taken: bool, space: str, tmp_path: Path) -> None:
    file = tmp_path / "keepalived.conf"
    wrong = []
    for line in TAKEN if taken else REFUSED:
        block = "virtual_routes" if " via " in line else "virtual_rules"
        vip = "fe80::51" if "2001:db8" in line else "10.9.0.100"
        file.write_text(
            f"vrrp_instance A {{\n interface eth0\n virtual_router_id 7\n priority 9\n version 3\n"
            f" virtual_ipaddress {{\n {vip}\n }}\n {block} {{\n {line}\n }}\n}}\n"
        )
        theirs = oracle.config_test(space, file).code
        reading = read_all(str(file), "node")
        ours = config_test_code(each for each in on_this_host(reading) if not each.code.startswith("interface-"))
        if not theirs == ours == (0 if taken else 5):
            wrong.append(f"{line}: {theirs} there, {ours} here")
    assert not wrong, "\n".join(wrong)
