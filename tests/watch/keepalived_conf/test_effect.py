"""What `vrrpwatch run` does not act on is listed, and nothing else: the table is held against the speaker's source."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from vrrpcore.settings import GarpSchedule, GlobalDefs, Instance, Notify, Settings, SyncGroup, Tracking
from vrrpwatch import run_speaker
from vrrpwatch.keepalived_conf import commands, read, read_all
from vrrpwatch.keepalived_conf.effect import CODE, grouped, without_effect
from vrrpwatch.keepalived_conf.explain import explain
from vrrpwatch.keepalived_conf.tables import ROOT
from vrrpwatch.keepalived_conf.tables.effect import NO_EFFECT

ROOM = Path(__file__).parents[3]
FILE = """\
global_defs {
  smtp_alert_checker off
  notification_email {
    a@example.net
  }
  enable_snmp_vrrp
  vrrp_garp_interval 0.5
}
vrrp_instance A {
  interface eth0
  virtual_router_id 1
  priority 9
  debug 1
  garp_master_delay 3
  virtual_ipaddress {
    10.9.0.1/24
  }
}
vrrp_instance B {
  interface eth0
  virtual_router_id 2
  priority 9
  smtp_alert off
  virtual_ipaddress {
    10.9.0.2/24
  }
}
virtual_server 10.9.0.1 80 {
  lb_algo rr
  lb_kind NAT
  protocol TCP
  real_server 10.9.0.3 80 {
    TCP_CHECK {
    }
  }
}
"""
#: Attributes of the model that the speaker need not read: the reader works them into others, or shows them only.
RESOLVED = {
    *("origins", "origin", "vrrp_version", "multicast_group4", "multicast_group6", "vmac_prefix", "vmac_addr_prefix"),
    *("garp_master_delay_seconds", "garp_master_repeat", "garp_master_refresh_seconds", "garp_master_refresh_repeat"),
    *("garp_lower_prio_delay_seconds", "garp_lower_prio_repeat", "notify_priority_changes", "tracking_weight"),
    *("garp_extra_if_seconds", "garp_extra_if_all"),
    *("dynamic_interfaces_allow_changes", "vrrp_no_swap", "global_tracking", "files", "unused", "smtp_alert_vrrp"),
}
#: The model's names where they are not the keyword's.
NAMES = {
    "linkbeat_interfaces": "linkbeat_interfaces", "bfds": "track_bfd", "deleted": "notify_deleted",
    "interface_delays": "interface_up_down_delays", "script_security": "enable_script_security",
    "iptables": "vrrp_iptables", "nftables_table": "nftables", "instance_name": "instance", "ssl": "SSL",
    "rx_bufs_policy": "vrrp_rx_bufs_policy", "rx_bufs_multiplier": "vrrp_rx_bufs_multiplier",
    "email_faults": "no_email_faults", "smtp_server_port": "smtp_server", "child_wait_seconds": "child_wait_time",
    "lvs_sync_daemon": "lvs_sync_daemon", "vmac_for_addresses": "use_vmac_addr", "extra_if_all": "garp_extra_if",
}  # fmt: skip


def _speaker_source() -> str:
    core = [path for room in ("speaker", "machine", "links") for path in (ROOM / "core/vrrpcore" / room).glob("*.py")]
    house = list((ROOM / "vrrpwatch").glob("run_speaker*.py"))
    text = "\n".join(path.read_text() for path in (*core, ROOM / "core/vrrpcore/vrrpsockets.py", *house))
    return re.sub(r"def not_supported.*?(?=\n\n\n|\Z)", "", text, flags=re.DOTALL)  # it names what is not done


def test_every_setting_that_the_speaker_never_reads_is_in_the_table_and_no_other() -> None:
    source, known = _speaker_source(), {keyword for _, keyword in NO_EFFECT}
    missing, wrong = [], []
    for kind in (GlobalDefs, Instance, SyncGroup, GarpSchedule, Notify, Tracking, Settings):
        for each in fields(kind):
            name = re.sub(r"_(seconds|us|ms)$", "", NAMES.get(each.name, each.name))
            name = {"bfd_instances": "bfd_instance", "virtual_servers": "virtual_server"}.get(name, name)
            name = {"track_groups": "track_group", "virtual_server_groups": "virtual_server_group"}.get(name, name)
            name = {"extra_if": "garp_extra_if"}.get(name, name)
            read = re.search(rf"\.{each.name}\b", source) is not None
            if not read and name not in known and each.name not in RESOLVED:
                missing.append(f"{kind.__name__}.{each.name}")
            if read and name in known:
                wrong.append(f"{kind.__name__}.{each.name}")
    assert not missing
    assert not wrong


def test_every_row_of_the_table_is_a_keyword_of_its_block() -> None:
    pending, known = [ROOT], set()
    while pending:
        level = pending.pop()
        known |= {(level.name, row.name) for row in level.rows} | {(level.name, "")}
        pending += [row.level for row in level.rows if row.level is not None]
    assert set(NO_EFFECT) <= known


def test_json_lists_each_keyword_without_effect_once_and_the_exit_code_stays_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text(FILE)
    assert commands.check([str(path)], output="json", strict=True) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    told = [(each["line"], each["end_line"]) for each in findings if each["code"] == CODE]
    assert told == [(6, 6), (13, 13), (28, 36)]
    assert {each["severity"] for each in findings} == {"note"}


def test_the_text_groups_them_in_one_paragraph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text(FILE)
    assert commands.check([str(path)]) == 0
    out = capsys.readouterr().out
    assert out.count(f"[{CODE}]") == 1
    assert "enable_snmp_vrrp (line 6), debug (line 13), virtual_server (lines 28-36)" in out
    assert out.endswith("no findings\n")


def test_run_t_lists_them_and_says_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text(FILE.replace("enable_snmp_vrrp", "dynamic_interfaces"))
    code = run_speaker.run(run_speaker.RunOptions(config=str(path), test=True))
    assert code == 0
    assert f"virtual_server (lines 28-36) [{CODE}]" in capsys.readouterr().err


def test_explain_says_it_too() -> None:
    assert "without effect in vrrpwatch run: it serves no virtual" in (explain("smtp_alert_checker") or "")
    assert "without effect" not in (explain("advert_int") or "")


def test_a_block_of_a_newer_version_is_kept_and_said_to_need_it(tmp_path: Path) -> None:
    path = tmp_path / "keepalived.conf"
    block = (
        "  auth_hmac {\n    key 1 hex:" + "0f" * 32 + "\n    active_key 1\n    mode permissive\n    mode never\n  }\n"
    )
    path.write_text(FILE.replace("  debug 1\n", block, 1))
    settings, findings = read(str(path))
    (note,) = [each for each in findings if each.code == "needs-version"]
    assert (note.line, note.end_line, note.severity) == (13, 23, "note")
    assert [each.line for each in findings if each.severity == "error"] == [17]
    assert ("active_key", "1") in [each.words for each in settings.unused]
    assert ("key", "1", "hex:" + "0f" * 32) in [each.words for each in settings.unused]
    assert "auth_hmac" in grouped(without_effect(read_all(str(path)).tree, settings.files))
    assert "since: keepalived 2.4" in (explain("auth_hmac") or "")
