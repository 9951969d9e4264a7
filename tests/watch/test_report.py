"""What people and monitoring systems read: the plugin line, the text report, JSON there and back, the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watch.judgements import DEAF, EMPTY, LAN, SPLIT, STEADY, episode, judgement, master, router
from vrrpcore.errors import SourceError
from vrrpcore.verdict import AddressVerdict, Finding, Judgement, SensorFacts, Worst
from vrrpexporters.report.documents import as_json, from_json
from vrrpexporters.report.page import as_html
from vrrpexporters.report.plugin import as_plugin
from vrrpexporters.report.text import as_text

#: 'label'=value[UOM];[warn];[crit];[min];[max] of the Monitoring Plugins guidelines
PERFDATA = re.compile(r"('[^'=]+'|[^'= ]+)=(-?[\d.]+)(us|ms|s|%|[KMGT]?B|c)?(;[^; ]*){0,4}$")
EVERY = [STEADY, SPLIT, EMPTY, DEAF]


def first_line(text: str) -> str:
    return text.splitlines()[0]


def test_the_split_line_is_the_documented_one() -> None:
    assert first_line(as_plugin(SPLIT)).startswith(
        "VRRP CRITICAL - vrid 51/ipv4 on 10.9.0.0/24: split brain, 2 masters 10.9.0.2 (prio 150) 10.9.0.3 (prio 100)"
        " for 12.0s: peer_deaf | masters=2;1:1;1:1;0 "
    )


def test_details_evidence_and_remedy_follow_on_further_lines() -> None:
    text = as_plugin(SPLIT)
    assert "  10.9.0.2 answered 11 of 11 adverts of 10.9.0.3" in text
    assert "  proved; candidates: firewall_input, one_way_path" in text
    assert "    iptables -I INPUT -p 112 -j ACCEPT" in text


def test_an_ok_verdict_is_one_line() -> None:
    said = "VRRP OK - vrid 51/ipv4 on 10.9.0.0/24: steady, master 10.9.0.2 (prio 150) | "
    assert as_plugin(STEADY).startswith(said)
    assert as_plugin(STEADY).count("\n") == 1


def test_a_split_that_is_over_says_since_when() -> None:
    row = router("split_brain", "deaf", episodes=(episode("split_brain", "deaf", end=1795336683.0),))
    assert "for 12.0s, over since " in first_line(as_plugin(judgement(row)))


def test_unknown_says_what_was_received() -> None:
    assert "no VRRP advert heard on eth0 in 29.2s (4 other frames)" in first_line(as_plugin(EMPTY))
    assert "nothing heard on eth0 in 29.2s: wrong interface" in first_line(as_plugin(DEAF))


def test_an_error_is_the_headline_of_unknown() -> None:
    failed = Judgement(
        "0.1.0", "", None, None, Worst("unknown"), sensor=SensorFacts(notes=("eth9: no such interface",))
    )
    assert as_plugin(failed).splitlines()[0].startswith("VRRP UNKNOWN - eth9: no such interface | ")
    assert as_plugin(failed).count("\n") == 1


def test_several_routers_have_perfdata_of_their_own_and_twins_carry_their_segment() -> None:
    rows = [router("steady"), router("steady", vrid=52), router("steady", segment="10.8.0.0/24")]
    text = first_line(as_plugin(judgement(*rows, worst=Worst("steady"))))
    assert text.startswith("VRRP OK - 3 virtual routers, each with one master | masters=1;")
    assert "'masters_52_ipv4'=1;1:1;1:1;0" in text
    assert "'masters_51_ipv4_10.8.0.0/24'=1;1:1;1:1;0" in text


def test_an_address_verdict_leads_where_it_is_the_worst() -> None:
    one = AddressVerdict(LAN, "10.9.0.100", ("a", "b"), 2, Finding("duplicate_ip", "foreign_host_has_vip"))
    worst = Worst("duplicate_ip", "foreign_host_has_vip", None, "ipv4", LAN)
    text = as_plugin(judgement(router("steady"), worst=worst, addresses=(one,)))
    assert text.startswith("VRRP CRITICAL - 10.9.0.100 on 10.9.0.0/24: duplicate address, 2 hosts answer: foreign_host")
    assert "10.9.0.100: duplicate address: foreign_host_has_vip; owners a b" in text


@pytest.mark.parametrize("one", EVERY)
def test_perfdata_follows_the_guidelines(one: Judgement) -> None:
    line = first_line(as_plugin(one))
    assert line.count("|") == 1
    for word in line.split(" | ")[1].split(" "):
        assert PERFDATA.fullmatch(word), word


HOSTILE = st.text(max_size=40)


@given(HOSTILE, HOSTILE)
def test_no_name_from_a_file_can_break_a_line_or_steer_a_terminal(segment: str, note: str) -> None:
    row = router("split_brain", "deaf", segment=segment, masters=(master("10.9.0.2", 1),))
    one = judgement(row, sensor=SensorFacts(frames=1, notes=(note,)), source=segment)
    line = first_line(as_plugin(one))
    assert line.count("|") == 1
    assert line.startswith("VRRP CRITICAL - ")
    for text in (as_plugin(one), as_text(one)):
        assert all(character.isprintable() or character == "\n" for character in text)


def test_the_report_gives_the_verdict_first_then_masters_episodes_and_remedy() -> None:
    lines = as_text(SPLIT).splitlines()
    assert lines[0] == "CRITICAL: split brain: peer_deaf - vrid 51/ipv4 on 10.9.0.0/24"
    text = "\n".join(lines)
    assert re.search(r"masters +10\.9\.0\.2 +prio 150 +VRRPv2 +every 1s +30 adverts", text)
    assert "still so, 12.0s: split brain: peer_deaf (proved)" in text
    assert "look at 10.9.0.3" in text
    assert re.search(r"remedy: on 10\.9\.0\.3, let VRRP in: nft insert rule …\n +iptables -I INPUT", text)
    assert "10.9.0.100: 2 hosts answer (02:00:00:00:00:02 02:00:00:00:00:03)" in text


def test_colour_is_only_there_when_asked_for() -> None:
    assert "\x1b[" not in as_text(SPLIT)
    assert "\x1b[1;31mCRITICAL\x1b[0m" in as_text(SPLIT, colour=True)


def test_many_steady_routers_are_one_line_each() -> None:
    rows = [router("steady", vrid=vrid, masters=(master("10.9.0.2", 150),)) for vrid in range(1, 256)]
    text = as_text(judgement(*rows, worst=Worst("steady")))
    assert "255 steady routers:" in text
    assert len(text.splitlines()) < 265


@pytest.mark.parametrize("one", EVERY)
def test_json_comes_back_as_it_was(one: Judgement) -> None:
    back = from_json(as_json(one), "test")
    assert back.as_json() == one.as_json()
    assert (back.state, back.exit_code) == (one.state, one.exit_code)


def test_json_has_no_nan_and_no_password() -> None:
    row = router("steady", masters=(master("10.9.0.2", 150, advert_interval=float("nan"), auth_data=b"secret\0\0"),))
    text = as_json(judgement(row))
    assert json.loads(text)["routers"][0]["masters"][0]["advert_interval"] is None
    assert "secret" not in text


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"schema": 2}', '{"schema": 1}', '{"schema": 1, "window": 3}', "[" * 100_000]
)
def test_what_is_no_verdict_is_one_clear_error(text: str) -> None:
    with pytest.raises(SourceError, match=r"^http://x: not a vrrpwatch verdict"):
        from_json(text, "http://x")


def test_an_unknown_class_of_a_newer_sensor_is_unknown() -> None:
    document = {**SPLIT.as_json(), "worst": {"class": "haunted", "cause": None}}
    assert from_json(json.dumps(document), "test").state == "UNKNOWN"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.references += [name for name, _ in attrs if name in ("src", "href", "onload", "onclick")]


def test_the_page_needs_nothing_else_and_escapes_everything() -> None:
    evil = "<script>alert(1)</script>"
    one = replace(SPLIT, source=evil, sensor=SensorFacts(notes=(evil,)))
    tags = Tags()
    tags.feed(as_html(one))
    assert "script" not in tags.seen
    assert tags.references == []
    assert {"svg", "table", "h1"} <= set(tags.seen)
