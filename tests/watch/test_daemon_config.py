"""vrrpwatch.toml: what it means, and that every mistake is one line with the file, the key and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from vrrpcore.errors import ConfigError
from vrrpwatch.config import Config, Watch, expected, load, receiver_name
from vrrpwatch.daemon.options import Options, read_config, read_expectations

FULL = """
[watch]
interfaces = ["eth0", "eth1"]
promisc = false
segments = {eth0 = "lan-a"}
processes = 2
listen = "[::1]:9999"
journal = "journal.db"
textfile = "out/vrrpwatch.prom"
textfile_interval = 30
probe = true
[keepalived]
fifo = "/run/k.fifo"
[frr]
interval = 5
[speaker]
[[router]]
vrid = 51
segment = "lan-a"
addresses = ["10.9.0.100"]
members = ["10.9.0.1", "10.9.0.2"]
priorities = {"10.9.0.1" = 150}
version = 2
interval = 1
[[router]]
vrid = 52
family = 6
addresses = ["FD00:0::64"]
[[alertmanager]]
url = "http://alertmanager:9093"
labels = {site = "a"}
[[webhook]]
url = "https://user:word@hooks.example.net/secret"
template = '{"text": "${summary}"}'
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "vrrpwatch.toml"
    path.write_text(text)
    return path


def test_everything_in_the_file_arrives(tmp_path: Path) -> None:
    config = load(write(tmp_path, FULL))
    assert config.watch.interfaces == ("eth0", "eth1")
    assert config.watch.processes == 2
    (tmp_path / "out").mkdir()
    assert read_config(Options(config=tmp_path / "vrrpwatch.toml", processes=1)).watch.processes == 1
    assert (config.watch.segments, config.watch.probe, config.watch.textfile_interval) == (
        {"eth0": "lan-a"},
        True,
        30.0,
    )
    assert config.keepalived is not None
    assert config.keepalived.fifo == "/run/k.fifo"
    assert config.frr is not None
    assert config.frr.interval == 5.0
    assert config.speaker is not None
    assert receiver_name(config.alertmanager[0]) == "alertmanager:alertmanager:9093"
    assert receiver_name(config.webhook[0]) == "webhook:hooks.example.net"
    first, second = expected(config, tmp_path / "vrrpwatch.toml")
    assert (first.vrid, first.members, first.priorities) == (51, ("10.9.0.1", "10.9.0.2"), {"10.9.0.1": 150})
    assert (first.version, first.interval, first.auth) == (2, 1.0, None)
    assert (second.family, second.addresses) == (6, ("fd00::64",))
    assert second.where[""].endswith("vrrpwatch.toml: router[1]")


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert load(write(tmp_path, "")) == Config(Watch())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[watch]\nlissten = 1", "unknown key watch.lissten; did you mean listen?"),
        ("[wach]", "unknown key wach; did you mean watch?"),
        ("[watch]\nlisten = 1", "watch.listen must be a string, not 1"),
        ('[watch]\nlisten = "host"', "watch.listen: listen address 'host': expected ADDR:PORT"),
        ("[watch]\npromisc = 1", "watch.promisc must be true or false, not 1"),
        ('[watch]\ninterfaces = "eth0"', "watch.interfaces must be a list"),
        ("[watch]\ninterfaces = [1]", "watch.interfaces[0] must be a string"),
        ("[watch]\nsegments = {eth0 = 1}", "watch.segments.eth0 must be a string"),
        ("[watch]\nprocesses = 0", "watch.processes must be 1 to 16, not 0"),
        ("[watch]\nprocesses = 17", "watch.processes must be 1 to 16, not 17"),
        ("[watch]\ntextfile_interval = 0", "watch.textfile_interval must be at least 1"),
        ("[watch]\ntextfile_interval = nan", "watch.textfile_interval must be at least 1"),
        ('[watch]\ntextfile = "a.txt"', "names end in .prom"),
        ("watch = 1", "watch must be a table, [watch]"),
        ("[router]\nvrid = 1", "router must be a list, [[router]]"),
        ("[[router]]\nfamily = 4", "router[0] needs vrid"),
        ("[[router]]\nvrid = 256", "router[0].vrid must be 1 to 255"),
        ('[[router]]\nvrid = 1\naddresses = ["x"]', "router[0].addresses: 'x' is no address"),
        ('[[router]]\nvrid = 1\naddresses = ["fd00::1"]', "fd00::1 is IPv6, the router is IPv4"),
        ("[[router]]\nvrid = 1\nversion = 4", "version is 2 or 3"),
        ("[speaker]\nyield_to_superior = true", "speaker.yield_to_superior must be a list"),
        ('[speaker]\nyield_to_superior = [""]', "speaker.yield_to_superior: a name is empty"),
        ("[speaker]\non_split_brain = 'split.sh'", "speaker.on_split_brain: 'split.sh' must be a whole path"),
        ("[speaker]\non_split_brain = '/bin/sh \"'", "speaker.on_split_brain: no closing quotation"),
        ("[[webhook]]\nname = 'a'", "webhook[0] needs url"),
        ("[[webhook]]\nurl = 'ftp://x'", "webhook[0].url: 'ftp://x' is no http or https URL"),
        ("[[webhook]]\nurl = 'http://x:port/'", "is no http or https URL"),
        ("[[webhook]]\nurl = 'http://x'\nminimum = 'low'", "minimum must be warning or critical"),
        ("[[webhook]]\nurl = 'http://x'\ntemplate = '{${x}}'", "webhook[0].template: there is no placeholder ${x}"),
        ("[[webhook]]\nurl = 'http://x'\nsecret_file = 'none'", "secret_file: none cannot be read"),
        ("[[webhook]]\nurl = 'http://x'\n[[webhook]]\nurl = 'http://x'", "webhook[1].name: 'webhook:x' is taken"),
        ("[[webhook]]\nurl = 'http://x'\nheaders = {\"A:\" = 'b'}", "not an HTTP header field"),
        ("[[alertmanager]]\nurl = 'http://x'\nresend = 0", "resend must be 1 to 3600"),
        ("[watch\n", "expected ']'"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_for_the_speaker_survives_the_command_line(tmp_path: Path) -> None:
    text = '[speaker]\non_split_brain = "/bin/echo \'a b\' c"\nyield_to_superior = ["VI_2"]\n'
    speaker = read_config(Options(config=write(tmp_path, text), speaker="/run/other.json")).speaker
    assert speaker is not None
    assert (speaker.state, speaker.command) == ("/run/other.json", ("/bin/echo", "a b", "c"))
    assert (speaker.may_yield("VI_2"), speaker.may_yield("VI_1")) == (True, False)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(tmp_path / "b.toml")


def test_the_command_line_wins_and_relative_names_are_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    path = write(tmp_path, FULL)
    watch = read_config(Options(config=path)).watch
    assert (watch.journal, watch.textfile) == (str(tmp_path / "journal.db"), str(tmp_path / "out/vrrpwatch.prom"))
    over = Options(("eth9",), path, ":1", journal=Path("j.db"), promisc=True, probe=False, segments=(("eth0", "b"),))
    watch = read_config(over).watch
    assert (watch.interfaces, watch.listen, watch.journal) == (("eth9",), ":1", "j.db")
    assert (watch.promisc, watch.probe, watch.segments) == (True, False, {"eth0": "b"})


def test_under_systemd_the_journal_is_in_its_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_config(Options()).watch.journal == ""
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/vrrpwatch")
    assert read_config(Options()).watch.journal == "/var/lib/vrrpwatch/journal.db"


def test_a_textfile_in_no_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        read_config(Options(textfile=tmp_path / "none" / "a.prom"))


def test_a_keepalived_conf_says_what_must_exist(tmp_path: Path) -> None:
    (tmp_path / "keepalived.conf").write_text(
        "vrrp_instance A {\n interface eth0\n virtual_router_id 9\n virtual_ipaddress {\n  10.0.0.9\n }\n}\n"
    )
    options = Options(config=write(tmp_path, '[watch]\nexpect = "keepalived.conf"\n[[router]]\nvrid = 1\n'))
    assert [row.vrid for row in read_expectations(read_config(options), options)] == [1, 9]
    options = Options(config=write(tmp_path, '[watch]\nexpect = "none.conf"\n'))
    with pytest.raises(ConfigError, match=r"watch\.expect: .*none\.conf cannot be read"):
        read_expectations(read_config(options), options)
