"""`config check | show | explain | fix`: exit codes, forms of output, repairs, what a machine lacks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from vrrpcore.errors import ConfigError, UsageError
from vrrpwatch.keepalived_conf import commands, read
from vrrpwatch.keepalived_conf.explain import all_names, explain
from vrrpwatch.keepalived_conf.host import check_host

DATA = Path(__file__).parents[2] / "data" / "keepalived_conf"
CLEAN = (
    "vrrp_instance A {\n  interface eth0\n  virtual_router_id 1\n  priority 9\n  virtual_ipaddress {\n    10.9.0.1/24\n"
    "  }\n}\n"
)


def _file(tmp_path: Path, text: str, name: str = "keepalived.conf") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_exit_codes_tell_clean_warnings_and_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    warned = _file(tmp_path, CLEAN.replace("priority 9", "priority 9\n  nopreempt off"), "w.conf")
    assert commands.check([_file(tmp_path, CLEAN)]) == 0
    assert capsys.readouterr().out == "no findings\n"
    assert commands.check([warned]) == 1
    assert commands.check([warned], strict=True) == 2
    assert commands.check([_file(tmp_path, CLEAN + "nonsense\n", "e.conf")]) == 2
    assert commands.check([str(tmp_path / "none.conf")]) == 2
    with pytest.raises(UsageError):
        commands.check([warned], output="xml")


def test_the_text_shows_the_line_with_a_caret_and_the_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = _file(tmp_path, CLEAN.replace("interface", "\tstate SLAVE\n  interface"))
    commands.check([name])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{name}:2:10: error: state: 'SLAVE' is not one of MASTER, BACKUP")
    assert lines[1] == "      \tstate SLAVE"
    assert lines[2].replace("\t", "").strip() == "^"
    assert len(lines[2]) == len("      \tstate ") + 1
    assert lines[3] == "    fix: write BACKUP"


def test_the_json_has_the_promised_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = _file(tmp_path, CLEAN + "garbage {\n  a\n}\n")
    commands.check([name], output="json")
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert document["files"] == [name]
    (finding,) = document["findings"]
    assert set(finding) == {"file", "line", "column", "end_line", "severity", "code", "message", "fix"}
    assert (finding["line"], finding["end_line"], finding["code"]) == (9, 11, "unknown-block")
    commands.check([name], output="sarif")
    sarif = json.loads(capsys.readouterr().out)
    assert sarif["runs"][0]["results"][0]["level"] == "error"


def test_an_unknown_block_is_one_finding_up_to_where_keepalived_finds_its_way_again(tmp_path: Path) -> None:
    text = CLEAN.replace("  priority 9\n", "  garbage {\n    a 1\n    b 2\n  }\n  priority 9\n")
    settings, findings = read(_file(tmp_path, text))
    assert [(each.line, each.end_line, each.code) for each in findings] == [(4, 12, "unknown-block")]
    assert settings.instances[0].priority == 9


def test_two_files_are_also_judged_as_one_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(DATA / "pair-a.conf"), str(DATA / "pair-a-nopreempt.conf")]
    assert commands.check(files) == 1
    assert "[cluster-priority]" in capsys.readouterr().out


def test_show_refuses_what_it_cannot_read_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        commands.show(str(tmp_path / "none.conf"))


def test_explain_knows_every_keyword_of_the_tables() -> None:
    names = all_names()
    assert len(names) > 300
    for name in names:
        text = explain(name)
        assert text is not None
        assert text.startswith(name)


def test_explain_suggests_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.explain(["no_preemt", "nat_mask"]) == 1
    captured = capsys.readouterr()
    assert "nopreempt" in captured.err
    assert "dropped it long ago" in captured.out


def test_fix_gives_a_diff_that_patch_takes_and_that_ends_the_complaints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CLEAN.replace(
        "  priority 9\n",
        "  priority 9 # nine\n  state SLAVE\n  advert_int 0.6\n  authentication {\n    auth_type PASS\n    auth_pass"
        " much-too-long\n  }\n",
    )
    name = _file(tmp_path, "global_defs {\n  vrrp_garp_interval 0\n  lvs_id me\n}\n" + text)
    before, _ = read(name)
    assert commands.fix([name]) == 0
    diff = capsys.readouterr().out
    changed = [line for line in diff.splitlines() if line[0] in "+-" and line[1] not in "+-"]
    assert sorted(changed) == sorted(
        [
            "-  vrrp_garp_interval 0",
            "-  lvs_id me",
            "+  router_id me",
            "-  state SLAVE",
            "+  state BACKUP",
            "-  advert_int 0.6",
            "+  advert_int 1",
            "-    auth_pass much-too-long",
            "+    auth_pass much-too",
        ]
    )
    subprocess.run(["patch", "-p0", name], input=diff, text=True, check=True, capture_output=True)
    after, findings = read(name)
    assert not [each for each in findings if each.exit_code]
    assert after.instances == before.instances


def test_fix_writes_only_when_asked(tmp_path: Path) -> None:
    name = _file(tmp_path, CLEAN.replace("  priority 9\n", "  priority 9\n  state SLAVE\n"))
    commands.fix([name])
    assert "SLAVE" in Path(name).read_text()
    commands.fix([name], write=True)
    assert "state BACKUP" in Path(name).read_text()


def test_the_host_is_asked_for_interfaces_users_and_scripts(tmp_path: Path) -> None:
    interfaces = tmp_path / "net"
    (interfaces / "eth0").mkdir(parents=True)
    (interfaces / "eth0" / "flags").write_text("0x1002\n")
    (tmp_path / "plain.sh").write_text("#!/bin/sh\n")
    text = (
        f'vrrp_script a {{\n  script "{tmp_path}/plain.sh"\n}}\nvrrp_script b {{\n  script "/nonexistent/x"\n'
        "  user no-such-user\n}\n" + CLEAN.replace("10.9.0.1/24", "10.9.0.1/24 dev eth7")
    )
    settings, _ = read(_file(tmp_path, text))
    found = {each.code: each.line for each in check_host(settings, interfaces)}
    assert found == {
        "interface-down": 9,
        "interface-missing": 13,
        "user-missing": 5,
        "script-not-executable": 2,
        "script-missing": 5,
    }
