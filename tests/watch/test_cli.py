"""The command line: exit codes, one line for each error, stdout for the answer alone, help with examples."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.watch.judgements import SPLIT, STEADY
from vrrpcore.errors import SourceError
from vrrpcore.verdict import Judgement
from vrrpexporters.report.plugin import as_plugin
from vrrpwatch import __version__, fleet
from vrrpwatch.cli import COMMANDS, main
from vrrpwatch.commands import check
from vrrpwatch.commands.console import set_up_logging
from vrrpwatch.interfaces import Interface
from vrrpwatch.narrowing import Wanted, narrow

REPLAYS = ROOT / "tests" / "replays"
SPLIT_FILE = REPLAYS / "sb_fw_backup_drops_input"
Result = tuple[int, str, str]
Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    set_up_logging(logging.WARNING, "text")  # whatever ran before in this process

    def call(*words: str) -> Result:
        with pytest.raises(SystemExit) as stop:
            main(list(words))
        captured = capsys.readouterr()
        code = stop.value.code
        assert isinstance(code, int)
        return code, captured.out, captured.err

    return call


def capture(name: str) -> str:
    return str(next(path for path in sorted((REPLAYS / name).iterdir()) if path.suffix in (".pcap", ".pcapng")))


def child(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(ROOT / part) for part in (".", "core", "exporters"))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-m", "vrrpwatch", *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        **options,
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["check", "--vrid", "0"], 3, "--vrid 0: a virtual router id is 1 to 255"),
        (["check", "--vrid", "x"], 3, "--vrid"),
        (["check", "--vip", "10.9.0"], 3, "--vip 10.9.0: not an IPv4 or IPv6 address"),
        (["check", "--for", "-1"], 3, "--for -1"),
        (["check", "-o", "html"], 3, "choose plugin, text, json"),
        (["check", "--nonsense"], 3, "--nonsense"),
        (["check", "--prometheus", "http://x", "-i", "eth0"], 3, "leave out --from and --interface"),
        (["check", "--expect", "/nonexistent.conf", "-o", "text"], 3, "--expect /nonexistent.conf: cannot be read"),
        (["analyze"], 3, "no capture file given"),
        (["analyze", "/nonexistent.pcap"], 3, "/nonexistent.pcap: no such file or directory"),
        (["analyze", "/etc/hosts"], 3, "/etc/hosts: is not a capture"),
        (["analyze", "-o", "plugin", "x.pcap"], 3, "choose text, json, html"),
        (["analyze", "--sensor", "nofile"], 3, "write NAME=FILE"),
        (["analyze", "-", "x.pcap"], 3, "can only be analyzed alone"),
        (["list", "-o", "xml"], 2, "choose table, json, file_sd"),
        (["list", "--local", "-i", "eth0"], 2, "--local"),
        (["list", "-i", "no-such-if"], 1, "no interface 'no-such-if'"),
        (["doctor", "--for", "-1"], 2, "--for -1"),
        (["history", "--journal", "/nonexistent.db"], 1, "/nonexistent.db"),
        (["history", "--since", "yesterday"], 2, "--since yesterday"),
        (["doctor", "-i", "no-such-if"], 1, "no interface 'no-such-if'"),
        (["run", "-f", "/nonexistent.conf"], 2, "/nonexistent.conf"),
        (["rules"], 2, "--out"),
        (["rules", "--out", "/dev/null/x"], 1, "/dev/null"),
        (["frobnicate"], 2, "frobnicate"),
        (["--log-format", "xml", "list"], 2, "choose text, json"),
        (["demo", "--routers", "cisco"], 2, "choose auto, vrrpwatch, keepalived"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_the_right_exit_code(
    run: Run, words: list[str], code: int, said: str
) -> None:
    found, out, err = run(*words)
    assert out == ""
    assert said in err
    assert len(err.splitlines()) <= 2  # `run` prints the finding and then that it did not start
    assert "Traceback" not in err
    assert found == code


def test_an_error_of_check_in_plugin_form_is_an_unknown_line_on_stdout(run: Run) -> None:
    code, out, err = run("check", "-i", "no-such-if")
    assert (code, err) == (3, "")
    assert out.startswith("VRRP UNKNOWN - no interface 'no-such-if' here; there are: ")
    assert len(out.splitlines()) == 1


def test_errors_are_json_lines_where_the_log_is(run: Run) -> None:
    _, _, err = run("--log-format", "json", "analyze", "/nonexistent.pcap")
    row = json.loads(err)
    assert (row["level"], row["message"]) == ("error", "/nonexistent.pcap: no such file or directory")


def test_version_and_no_arguments(run: Run) -> None:
    assert run("--version") == (0, f"vrrpwatch {__version__}\n", "")
    code, out, err = run()
    assert code in (0, 2)
    assert "vrrpwatch check -i eth0" in out + err


@pytest.mark.parametrize("name", [name for name, _, where in COMMANDS if not where.endswith(":app")])
def test_every_help_has_three_examples_and_says_what_it_needs(run: Run, name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    if name != "demo":  # it has one way to be called
        assert (
            sum(
                line.strip().startswith(("vrrpwatch ", "sudo ", "curl ", "ssh ", "promtool "))
                for line in out.splitlines()
            )
            >= 3
        )
    assert "Need" in out


@pytest.mark.parametrize(
    ("name", "code"), [("sb_fw_backup_drops_input", 2), ("handover_graceful_stop", 0), ("flapping_master", 1)]
)
def test_analyze_exits_with_the_state_in_every_form(run: Run, name: str, code: int) -> None:
    for output in ("text", "json", "html"):
        found, out, err = run("analyze", "-o", output, capture(name))
        assert (found, err) == (code, "")
        if output == "json":
            assert json.loads(out)["exit_code"] == code


def test_a_capture_without_vrrp_is_unknown(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(Path(capture("handover_graceful_stop")).read_bytes()[:24])
    code, out, _ = run("analyze", str(empty))
    assert code == 3
    assert out.startswith("UNKNOWN: nothing that could be judged")


def test_analyze_narrows_to_what_was_asked(run: Run) -> None:
    assert run("analyze", "--vrid", "77", capture("handover_graceful_stop"))[0] == 2
    assert run("analyze", "--vip", "10.9.0.100", capture("handover_graceful_stop"))[0] == 0


def test_expectations_come_from_a_keepalived_conf(run: Run, tmp_path: Path) -> None:
    conf = tmp_path / "keepalived.conf"
    body = "interface eth0\nvirtual_router_id {}\npriority 150\nadvert_int {}\nvirtual_ipaddress {{\n10.9.0.100\n}}\n"
    conf.write_text(f"vrrp_instance VI_1 {{\n{body.format(51, 1)}}}\n")
    assert run("analyze", "--expect", str(conf), capture("handover_graceful_stop"))[0] == 0
    conf.write_text(f"vrrp_instance VI_1 {{\n{body.format(51, 3)}}}\n")
    code, out, _ = run("analyze", "-o", "json", "--expect", str(conf), capture("handover_graceful_stop"))
    assert (code, json.loads(out)["worst"]["cause"]) == (1, "advert_int_mismatch")
    assert f"{conf}:5" in out
    conf.write_text(f"vrrp_instance VI_1 {{\n{body.format(52, 1)}}}\n")
    assert run("analyze", "--expect", str(conf), capture("handover_graceful_stop"))[0] == 2


def test_an_expectation_of_nothing_sends_nobody_to_findings_that_are_not_there(run: Run, tmp_path: Path) -> None:
    conf = tmp_path / "keepalived.conf"
    conf.write_text("")
    code, _, err = run("analyze", "--expect", str(conf), capture("handover_graceful_stop"))
    assert (code, err) == (3, f"vrrpwatch: error: --expect {conf}: no vrrp_instance\n")
    conf.write_text("vrrp_instnce VI_1 {\n}\n")
    _, _, err = run("analyze", "--expect", str(conf), capture("handover_graceful_stop"))
    assert err.endswith("config check` says why\n")


def test_several_captures_are_several_sensors(run: Run) -> None:
    files = sorted(str(path) for path in SPLIT_FILE.iterdir() if path.suffix == ".pcap")
    assert len(files) == 3
    code, out, _ = run("analyze", "-o", "json", *files)
    assert (code, json.loads(out)["worst"]["cause"]) == (2, "firewall_input")


def test_a_closed_standard_input_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # what Python makes of `<&-`
    code, _, err = run("analyze", "-")
    assert (code, err) == (
        3,
        "vrrpwatch: error: standard input is closed: pipe a capture into it, e.g. tcpdump -U -w - | …\n",
    )


@pytest.mark.parametrize(("words", "code"), [("list", 1), ("--version", 1), ("check --help", 3)])
def test_a_standard_output_that_was_closed_before_is_one_line(words: str, code: int) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = f"exec {sys.executable} -m vrrpwatch {words} >&-"
    done = subprocess.run(["/bin/sh", "-c", command], stderr=subprocess.PIPE, text=True, env=environment)
    assert done.returncode == code
    assert done.stderr == "vrrpwatch: error: standard output is closed: there is nowhere to answer to\n"


def test_standard_input_is_read_and_a_closed_stdout_is_no_traceback() -> None:
    with open(capture("sb_fw_backup_drops_input"), "rb") as file:
        done = child("analyze", "-", stdin=file)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith("CRITICAL: split brain: peer_deaf")
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "vrrpwatch", "analyze", capture("many_vrids_v2_255")],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


@pytest.mark.parametrize(("words", "code"), [(("--help",), 1), (("analyze", "CAPTURE"), 3)], ids=["help", "analyze"])
def test_a_full_disk_is_one_line_and_no_success(words: tuple[str, ...], code: int) -> None:
    words = tuple(capture("many_vrids_v2_255") if word == "CAPTURE" else word for word in words)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "vrrpwatch", *words], stdout=full, stderr=subprocess.PIPE, text=True, env=environment
        )
    assert (done.returncode, done.stderr) == (code, "vrrpwatch: error: No space left on device\n")


def test_check_asks_other_sensors(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"http://a": STEADY, "http://b": SPLIT}
    monkeypatch.setattr(fleet, "fetch", lambda url, timeout=5.0: answers[url])
    assert run("check", "--from", "http://a")[0] == 0
    code, out, _ = run("check", "--from", "http://a", "--from", "http://b")
    assert code == 2
    assert out.startswith("VRRP CRITICAL - vrid 51/ipv4 on 10.9.0.0/24: split brain, 2 masters")


def test_a_sensor_that_does_not_answer_is_a_remark(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(url: str, timeout: float = 5.0) -> Judgement:
        if url == "http://b":
            raise SourceError("http://b: connection refused")
        return STEADY

    monkeypatch.setattr(fleet, "fetch", fetch)
    code, out, _ = run("check", "--from", "http://a", "--from", "http://b")
    assert code == 0
    assert out.splitlines()[1] == "http://b: connection refused"
    code, out, _ = run("check", "--from", "http://b")
    assert (code, out.splitlines()[0].split(" | ")[0]) == (3, "VRRP UNKNOWN - http://b: connection refused")


def test_prometheus_is_asked_for_the_fleets_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    place = {"segment": "10.9.0.0/24", "family": "ipv4", "vrid": "51"}
    rows = {
        "vrrpwatch_verdict_info == 1": [
            ({**place, "class": "steady", "cause": "", "instance": "a"}, 1.0),
            ({**place, "class": "split_brain", "cause": "peer_deaf", "instance": "b"}, 1.0),
        ]
    }
    monkeypatch.setattr(fleet, "_query", lambda base, query: rows.get(query, []))
    found = fleet.ask_prometheus("http://prometheus:9090")
    assert (found.exit_code, found.worst.cls, found.worst.cause) == (2, "split_brain", "peer_deaf")
    lost = narrow(found, Wanted(vrids=(52,)), hearing=True)
    assert lost.routers[0].episodes[0].evidence == ("VRID 52 is not known to http://prometheus:9090",)
    assert as_plugin(lost).startswith("VRRP CRITICAL - vrid 52/ipv4: no master: master_lost | ")
    rows.clear()
    assert fleet.ask_prometheus("http://prometheus:9090").exit_code == 3


def test_settled_waits_a_moment_for_the_cause() -> None:
    assert check.settled(SPLIT)
    assert not check.settled(STEADY)


def test_a_segment_is_named_or_chosen() -> None:
    one = Interface(2, "eth0", True, False, 1, prefixes=(ip_network("10.9.0.0/24"),))
    two = Interface(3, "eth1", True, False, 1)
    assert check.naming([one], ["office"]) == {"eth0": "office"}
    assert check.naming([one], ["10.9.0.0/24"]) == {}
    assert check.naming([one], ["10.9.0.0/24.100"]) == {}
    assert check.naming([one, two], ["office"]) == {}
    assert check.naming([one, two], ["eth1=office"]) == {"eth1": "office"}


INTERRUPTED_IN_A_FINALIZER = """
import signal, time
from vrrpwatch.commands.outcome import run_to_exit

class Loop:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        for _ in range(1000):  # somewhere here the handler is called, and what it raises is dropped
            pass

def command():
    Loop()
    time.sleep(30)

run_to_exit(command, "top")
"""


HALF_MADE = """
from vrrpwatch.commands.outcome import run_to_exit

class Loop:
    def __del__(self):
        self.never_set

def command():
    Loop()
    raise KeyboardInterrupt

run_to_exit(command, "demo")
"""


def test_what_ctrl_c_left_half_made_does_not_end_in_a_traceback() -> None:
    """Seen: pyroute2's event loop, interrupted in its __init__, fails in its __del__."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", HALF_MADE]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=25, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_ctrl_c_that_meets_a_finalizer_is_not_lost() -> None:
    path = os.pathsep.join(str(ROOT / part) for part in (".", "core", "exporters"))
    words = [sys.executable, "-c", INTERRUPTED_IN_A_FINALIZER]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=25, check=False)
    assert (done.returncode, done.stderr) == (130, "")
