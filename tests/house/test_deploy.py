"""What deploy/ holds: units that systemd understands and that are as closed as said, manifests that parse, commands
that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT, program
from vrrpwatch.cli import command_line

DEPLOY = ROOT / "deploy"
PROGRAM = "/opt/vrrpwatch/bin/vrrpwatch"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
needs_analyze = pytest.mark.skipif(
    program("systemd-analyze") is None, reason="needs systemd-analyze (Debian package systemd)"
)


def directives(path: Path) -> dict[str, list[str]]:
    """`Section.Directive` -> its values in order."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in path.read_text().splitlines():
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            section = line.strip("[]")
            continue
        key, equals, value = line.partition("=")
        assert equals, line
        found[f"{section}.{key}"].append(value)
    return found


def words_of(path: Path) -> list[str]:
    """The command line of a unit behind the program's name, without what the environment adds."""
    (line,) = (value for value in directives(path)["Service.ExecStart"] if value)
    first, *words = shlex.split(line)
    assert first == PROGRAM
    return [word for word in words if not word.startswith("$")]


def assert_known(words: list[str]) -> None:
    """Every command and option of a command line is one of ours."""
    known = command_line().commands[words[0]].load()
    options = {name for parameter in known.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words[1:] if word.startswith("-")} <= options


def placed(folder: Path) -> list[Path]:
    """The units with a program that this machine has: systemd looks for it."""
    copies: list[Path] = []
    for unit in UNITS:
        copy = folder / unit.name
        copy.write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
        copies.append(copy)
    return copies


@needs_analyze
def test_systemd_knows_every_directive(tmp_path: Path) -> None:
    units = placed(tmp_path)
    done = subprocess.run(["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, timeout=120)
    # what other units of this machine are warned about is not ours
    assert [line for line in done.stderr.splitlines() if any(unit.name in line for unit in units)] == []


@needs_analyze
@pytest.mark.parametrize(("name", "most"), [("vrrpwatch-watch.service", 2.5), ("vrrpwatch.service", 4.0)])
def test_units_are_exposed_no_more_than_said(name: str, most: float, tmp_path: Path) -> None:
    (unit,) = (path for path in placed(tmp_path) if path.name == name)
    command = ["systemd-analyze", "security", "--offline=true", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    score = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert score, done.stdout + done.stderr
    assert float(score[1]) <= most


def test_the_monitor_has_one_capability_and_no_user_of_its_own() -> None:
    unit = directives(DEPLOY / "systemd" / "vrrpwatch-watch.service")
    assert unit["Service.CapabilityBoundingSet"] == unit["Service.AmbientCapabilities"] == ["CAP_NET_RAW"]
    assert unit["Service.DynamicUser"] == ["yes"]
    assert unit["Service.StateDirectory"] == ["vrrpwatch"]


def test_the_speaker_can_do_what_it_does() -> None:
    unit = directives(DEPLOY / "systemd" / "vrrpwatch.service")
    (held,) = unit["Service.CapabilityBoundingSet"]
    assert {"CAP_NET_RAW", "CAP_NET_ADMIN", "CAP_SYS_NICE", "CAP_IPC_LOCK", "CAP_SETUID", "CAP_SETGID"} <= set(
        held.split()
    )
    assert "Service.ProtectKernelTunables" not in unit  # it would make /proc/sys/net read-only
    assert "Service.RestrictRealtime" not in unit
    # `mixed` and `process` would kill the holder of the addresses unreleased, or never, when the supervisor dies
    assert unit["Service.KillMode"] == ["control-group"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_notify_reload_and_name_what_exists(unit: Path) -> None:
    found = directives(unit)
    assert found["Service.Type"] == ["notify"]
    assert found["Service.NotifyAccess"] == ["main"]
    assert float(found["Service.WatchdogSec"][0]) >= 10
    assert found["Service.ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    page = found["Unit.Documentation"][0].rpartition("/blob/main/")[2]
    assert (ROOT / page).is_file()
    assert_known([*words_of(unit), *shlex.split(found.get("Service.Environment", ["="])[0].partition("=")[2])])


def test_the_drop_in_is_a_command_of_ours() -> None:
    drop_in = DEPLOY / "systemd" / "textfile.conf"
    assert directives(drop_in)["Service.ExecStart"][0] == ""  # an ExecStart adds unless the list is emptied
    assert_known(words_of(drop_in))


def test_the_daemonset_may_listen_and_nothing_else() -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "daemonset.yaml").read_text()))
    kinds = {each["kind"]: each for each in documents}
    spec = kinds["DaemonSet"]["spec"]["template"]["spec"]
    assert spec["hostNetwork"] is True
    (container,) = spec["containers"]
    context = container["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"], "add": ["NET_RAW"]}
    assert context["runAsUser"] == 0  # there are no ambient capabilities for others
    assert context["allowPrivilegeEscalation"] is False
    assert_known(container["args"])
    mounts, volumes = ({each["name"] for each in rows} for rows in (container["volumeMounts"], spec["volumes"]))
    assert mounts == volumes
    monitor = yaml.safe_load((DEPLOY / "kubernetes" / "podmonitor.yaml").read_text())
    labels = kinds["DaemonSet"]["spec"]["template"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"] == labels
    assert labels[monitor["spec"]["jobLabel"]].startswith("vrrpwatch")  # rules and dashboards select by the job
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == container["ports"][0]["name"]


def test_the_manifests_configuration_loads(tmp_path: Path) -> None:
    from vrrpwatch.config import load

    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "daemonset.yaml").read_text())
    (data,) = (each["data"] for each in documents if each["kind"] == "ConfigMap")
    file = tmp_path / "vrrpwatch.toml"
    file.write_text(data["vrrpwatch.toml"])
    assert load(file).watch.journal == "/var/lib/vrrpwatch/journal.db"


def test_nagios_commands_are_ours_and_every_argument_is_filled() -> None:
    text = (DEPLOY / "nagios" / "vrrpwatch.cfg").read_text()
    lines = re.findall(rf"(?:command_line\s+|\]=){re.escape(PROGRAM)} (.+)", text)
    assert len(lines) == 2
    for line in lines:
        assert_known(shlex.split(line))
    wanted = {int(number) for number in re.findall(r"\$ARG(\d)\$", text)}
    (given,) = re.findall(r"check_command\s+check_vrrp!(\S+)", text)
    assert wanted == set(range(1, len(given.split("!")) + 1))
    icinga = (DEPLOY / "nagios" / "icinga2.conf").read_text()
    assert_known(["check", *re.findall(r'"(--\w+)"', icinga)])
