"""Split brain as our speaker sees it itself: it says so with cause and remedy, and, where it may, yields on proof."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.lab.bench_of_hosts import command, steady_machine
from tests.lab.speaker_lab import Capture
from tests.lab.test_watch_prometheus import free_port, sample
from vrrpwatch.lab import Keepalived, Lab, Recorder, keepalived_config, module_path

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("keepalived", "iproute2")]
#: name, VRID, address, more lines; all but the first may yield
ROUTERS: tuple[tuple[str, int, str, tuple[str, ...]], ...] = (
    ("VI_1", 51, "10.9.0.51", ()),
    ("VI_2", 52, "10.9.0.52", ()),
    ("VI_3", 53, "fe80::53", ()),
    ("VI_4", 54, "10.9.0.54", ("use_vmac",)),
)
YIELDING = [name for name, *_ in ROUTERS[1:]]
INTERVAL = 0.5
DOWN = 3 * INTERVAL + (256 - 100) / 256 * INTERVAL

SCRIPT = """#!/bin/sh
echo "$*|$VRRPWATCH_CAUSE|$VRRPWATCH_BLAMED|$VRRPWATCH_REMEDY" >> "{record}"
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab("vw-aware") as made:
        made.host("a", "10.9.0.1/24", mac="02:00:00:00:00:01")
        made.host("b", "10.9.0.2/24", mac="02:00:00:00:00:02")
        made.host("observer", "10.9.0.9/24")
        yield made


class Fifo:
    """The reader of a notify FIFO."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path, 0o600)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.text = ""

    def lines(self) -> list[str]:
        try:
            self.text += os.read(self._descriptor, 65536).decode()
        except BlockingIOError:
            pass
        return self.text.splitlines()


def configuration(priority: int, *more: str) -> str:
    """All of ROUTERS."""
    text = ""
    for name, vrid, vip, lines in ROUTERS:
        place = f"{vip}/{64 if ':' in vip else 24}"
        one = keepalived_config(
            vrid, priority, [place], name=name, interval=INTERVAL, version=3, extra=lines, global_extra=more
        )
        text += one if not text else one.split("}\n", 1)[1]
    return text


def test_a_deaf_inferior_master_tells_and_where_it_may_it_yields_and_takes_over_in_time(
    lab: Lab, tmp_path: Path
) -> None:
    """VI_1 may not yield, VI_2 may: one firewall, one death, both seen at once."""
    a, b, observer = (lab.hosts[name] for name in ("a", "b", "observer"))
    record, script, state = tmp_path / "said", tmp_path / "split.sh", lab.directory / "state.json"
    script.write_text(SCRIPT.format(record=record))
    script.chmod(0o755)
    fifo = Fifo(lab.directory / "notify")
    toml = lab.write(
        "watch.toml", f'[speaker]\non_split_brain = "{script}"\nyield_to_superior = {json.dumps(YIELDING)}\n'
    )
    text = configuration(100, f"notify_fifo {lab.directory}/notify", "script_user root")
    port = free_port(b)
    words = ["run", "-f", str(lab.write("b.conf", text)), "--state", str(state)]
    words += ["--watch", "--listen", f"127.0.0.1:{port}", "--watch-config", str(toml)]
    capture = Capture(tmp_path / "aware.pcap")

    def value(name: str, instance: str) -> float | None:
        return sample(b, port, f"vrrpwatch_instance_{name}", instance_name=instance)

    def told(number: int) -> dict[str, object]:
        found: dict[str, object] = json.loads(state.read_text())["instances"][number]["split_brain"]
        return found

    with Recorder(observer, capture.path), steady_machine():
        superior = Keepalived(a, configuration(150))
        superior.wait_state("MASTER")
        ours = b.start(*command(*words), log="ours", environment=module_path())
        for _, vrid, *_ in ROUTERS:
            heard = partial(sample, b, port, "vrrpwatch_group_masters", vrid=str(vrid))
            lab.wait(lambda heard=heard: heard() == 1, "the sensor beside it")  # type: ignore[misc]
        b.drop_vrrp("input")

        # VI_1 says what is wrong, what proves it, and what to do, in every way.
        ours.wait_for(r"\(VI_1\) split brain: peer_deaf \(\w+\); masters .*evidence: .*remedy: .*10\.9\.0\.2")
        lab.wait(lambda: record.exists() and "VI_1 SPLIT_BRAIN 100" in record.read_text(), "on_split_brain")
        lab.wait(lambda: 'INSTANCE "VI_1" SPLIT_BRAIN 100' in fifo.lines(), "the line in the FIFO")
        said = next(line for line in record.read_text().splitlines() if "VI_1 SPLIT_BRAIN 100" in line)
        assert said.startswith("INSTANCE VI_1 SPLIT_BRAIN 100 peer_deaf|peer_deaf|10.9.0.2|")
        assert len(said.rsplit("|", 1)[1]) > 20

        # The others yield, as deaf as before.
        for name in YIELDING:
            who = "fe80::ff:fe00:1" if name == "VI_3" else r"10\.9\.0\.1"
            ours.wait_for(rf"\({name}\) yields to a superior master .*{who} priority 150, ours 100")
            ours.wait_for(rf"\({name}\) split brain( suspected)? ended")
            lab.wait(lambda n=name: value("yielded", n) == 1 and value("split_brain", n) == 0, f"{name} to be at peace")  # type: ignore[misc]
        lab.wait(lambda: value("split_brain", "VI_1") == 1, "the metric of VI_1")
        assert (value("yields_total", "VI_1"), value("yields_total", "VI_2")) == (0, 1)
        assert (told(0)["level"], told(0)["cause"], told(0)["yields"]) == ("confirmed", "peer_deaf", False)
        assert (told(1)["level"], told(1)["yields"], told(1)["watched"]) == ("none", True, True)
        assert {vip for _, _, vip, _ in ROUTERS} <= set(a.addresses(None))
        assert {vip for _, _, vip, _ in ROUTERS} & set(b.addresses(None)) == {"10.9.0.51"}
        assert b.dropped()["input"] > 0

        # The superior dies: there is no proof any more.
        a.set_link(up=False)
        superior.program.kill()
        for name, _, vip, _ in ROUTERS[1:]:
            ours.wait_for(rf"\({name}\) yields to a superior[\s\S]*\({name}\) Entering MASTER STATE")
            lab.wait(lambda vip=vip: vip in b.addresses(None), "the address")  # type: ignore[misc]
        ours.wait_for(r"\(VI_1\) split brain ended after [\d.]+ s: peer_deaf")
        lab.wait(lambda: 'INSTANCE "VI_1" SPLIT_BRAIN_ENDED 100' in fifo.lines(), "the end in the FIFO")
        ours.stop()
    capture.load()
    for name, vrid, vip, _ in ROUTERS[1:]:
        theirs, its = ("fe80::ff:fe00:1", "fe80::ff:fe00:2") if ":" in vip else ("10.9.0.1", "10.9.0.2")
        last = capture.adverts(vrid, source=theirs)[-1][0]
        mine = [when for when, _, priority in capture.adverts(vrid, source=its) if priority]
        first = next(when for when in mine if when > last)
        print(f"{name}: {first - last:.3f} s after the superior's last advert (theory {DOWN:.3f} s)")
        # The Down timer counts from the last advert that was proved: the last but one where no answer followed.
        assert DOWN - INTERVAL - 0.05 <= first - last <= DOWN + 0.2, name
        assert max(when for when in mine if when < last) < last - 2 * INTERVAL, name  # silent while the proof came
