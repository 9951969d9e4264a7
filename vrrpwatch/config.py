"""`vrrpwatch.toml`: what `watch` listens to, asks, keeps and tells. An error names the file, the key and the way out.

[watch]                    interfaces, promisc, segments, processes, listen, web_config, journal, textfile, probe, …
[keepalived]               fifo, config         ask keepalived on this host (never by signals)
[frr]                      vtysh, interval      ask FRR's vrrpd on this host
[speaker]                  state                ask `vrrpwatch run` on this host
                           on_split_brain, yield_to_superior    for `run --watch` itself
[[router]]                 segment, vrid, family, addresses: virtual routers that must exist
[[alertmanager]]           url, … one table per Alertmanager
[[webhook]]                url, … one table per receiver
"""

from __future__ import annotations

import difflib
import os
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from vrrpcore.errors import ConfigError
from vrrpcore.judge.expectations import Expected
from vrrpcore.verdict import FAMILY_NAMES
from vrrpexporters.http_listen import split as split_listen
from vrrpexporters.webhook import check_template

RUNBOOKS: Final = "https://github.com/vrrpwatch/vrrpwatch/blob/main/alerts/runbooks"
MOST_PROCESSES: Final = 16


@dataclass(frozen=True, slots=True)
class Watch:
    """`[watch]`: the sensor itself. Empty strings: off."""

    interfaces: tuple[str, ...] = ()  # () = those of interfaces.default_interfaces
    promisc: bool = True
    segments: dict[str, str] = field(default_factory=dict)  # interface -> name of its broadcast domain
    processes: int = 1  # that share the capture and the judging, by VLAN
    listen: str = ":10112"
    web_config: str = ""
    journal: str = ""  # "" = $STATE_DIRECTORY/journal.db under systemd, else memory only
    journal_days: int = 90
    textfile: str = ""  # a .prom file for node_exporter's textfile collector
    textfile_interval: float = 15.0
    probe: bool = False  # ask who owns an address while in doubt
    runbooks: str = RUNBOOKS
    expect: str = ""  # a keepalived.conf: what it configures must be on the wire


@dataclass(frozen=True, slots=True)
class KeepalivedSource:
    """`[keepalived]`: `fifo` is global_defs' `vrrp_notify_fifo`; `config` says which instance is which router."""

    fifo: str = "/run/keepalived/vrrpwatch.fifo"
    config: str = "/etc/keepalived/keepalived.conf"


@dataclass(frozen=True, slots=True)
class FrrSource:
    """`[frr]`: the vtysh to run, and how often (seconds)."""

    vtysh: str = "vtysh"
    interval: float = 2.0


@dataclass(frozen=True, slots=True)
class SpeakerSource:
    """`[speaker]`: where `vrrpwatch run` publishes its state. The rest is for `run --watch --watch-config` itself."""

    state: str = "/run/vrrpwatch/speaker.json"
    on_split_brain: str = ""  # a program with its words; run when the judge's verdict about one of our routers changes
    yield_to_superior: tuple[str, ...] = ()  # names of vrrp_instances that may yield on proof; "*" = all

    @property
    def command(self) -> tuple[str, ...]:
        """The words of `on_split_brain`."""
        return tuple(shlex.split(self.on_split_brain))

    def may_yield(self, name: str) -> bool:
        """Whether the vrrp_instance of this name may yield on proof."""
        return name in self.yield_to_superior or "*" in self.yield_to_superior


@dataclass(frozen=True, slots=True)
class Router:
    """`[[router]]`: a virtual router that must exist, and what of it must be so; what is left out may be anything."""

    vrid: int
    segment: str = ""  # "" = on any
    family: int = 4
    addresses: tuple[str, ...] = ()
    members: tuple[str, ...] = ()  # sources that may speak
    priorities: dict[str, int] = field(default_factory=dict)  # source -> priority
    version: int = 0  # 2 or 3
    interval: float = 0.0  # seconds
    auth: str = ""  # none, pass, ah


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """`[[alertmanager]]`: `url` is its address without the API's path."""

    url: str
    name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    ca_file: str = ""
    resend: float = 60.0  # seconds between two pushes of one firing alert
    hold: float = 120.0  # seconds for which a short episode is kept firing, so that it is not swallowed by grouping
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """`[[webhook]]`: one JSON document per event, signed where there is a secret."""

    url: str
    name: str = ""
    template: str = ""  # "" = our own document; else JSON with ${placeholders}
    secret_file: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    ca_file: str = ""
    minimum: str = "warning"  # warning or critical
    resolved: bool = True
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    watch: Watch = Watch()
    keepalived: KeepalivedSource | None = None
    frr: FrrSource | None = None
    speaker: SpeakerSource | None = None
    router: tuple[Router, ...] = ()
    alertmanager: tuple[Alertmanager, ...] = ()
    webhook: tuple[Webhook, ...] = ()


def load(path: Path | str) -> Config:
    """Read and check the file; ConfigError otherwise. Relative file names are taken from where the file is."""
    path = Path(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {str(error)[:1].lower()}{str(error)[1:]}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 (octet {error.start})") from error
    config = _table(path, "", Config, raw)
    assert isinstance(config, Config)
    _check(path, config)
    return config


def _table(path: Path, where: str, shape: type[Any], raw: Mapping[str, Any]) -> Any:
    """A TOML table as the dataclass that describes it."""
    known = {f.name: f for f in fields(shape)}
    hints = get_type_hints(shape)
    values: dict[str, Any] = {}
    for key, value in raw.items():
        spot = f"{where}.{key}" if where else key
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"{path}: unknown key {spot}; {hint}")
        values[key] = _value(path, spot, hints[key], value)
    try:
        return shape(**values)
    except TypeError:
        lacking = next(key for key in ("url", "vrid") if key in known and key not in values)
        raise ConfigError(f"{path}: {where} needs {lacking}") from None


def _value(path: Path, spot: str, hint: Any, value: Any) -> Any:
    if isinstance(hint, UnionType):  # a table that may be absent
        hint = next(arm for arm in get_args(hint) if arm is not NoneType)
    origin, parameters = get_origin(hint), get_args(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{path}: {spot} must be a list" + (f", [[{spot}]]" if isinstance(value, dict) else ""))
        return tuple(_value(path, f"{spot}[{n}]", parameters[0], row) for n, row in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{path}: {spot} must be a table")
        return {name: _value(path, f"{spot}.{name}", parameters[1], row) for name, row in value.items()}
    if hasattr(hint, "__dataclass_fields__"):
        if not isinstance(value, dict):
            raise ConfigError(f"{path}: {spot} must be a table, [{spot}]")
        return _table(path, spot, hint, value)
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        words = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
        raise ConfigError(f"{path}: {spot} must be {words[hint]}, not {value!r}")
    return value


def _check(path: Path, config: Config) -> None:
    """What the types do not say."""
    try:
        split_listen(config.watch.listen)
    except ConfigError as error:
        raise ConfigError(f"{path}: watch.listen: {error}") from None
    for name, number, least in (
        ("watch.textfile_interval", config.watch.textfile_interval, 1.0),
        ("watch.journal_days", config.watch.journal_days, 1),
        ("frr.interval", config.frr.interval if config.frr else 2.0, 0.5),
    ):
        if not least <= number < 1e9:
            raise ConfigError(f"{path}: {name} must be at least {least:g}, not {number:g}")
    if not 1 <= config.watch.processes <= MOST_PROCESSES:
        raise ConfigError(f"{path}: watch.processes must be 1 to {MOST_PROCESSES}, not {config.watch.processes}")
    if config.watch.textfile and not config.watch.textfile.endswith(".prom"):
        raise ConfigError(f"{path}: watch.textfile: node_exporter reads only files whose names end in .prom")
    if config.speaker is not None:
        _check_speaker(path, config.speaker)
    for index, router in enumerate(config.router):
        _check_router(path, f"router[{index}]", router)
    names: set[str] = set()
    receivers: list[tuple[str, Alertmanager | Webhook]] = []
    receivers += [(f"alertmanager[{index}]", row) for index, row in enumerate(config.alertmanager)]
    receivers += [(f"webhook[{index}]", row) for index, row in enumerate(config.webhook)]
    for spot, receiver in receivers:
        _check_receiver(path, spot, receiver)
        if receiver_name(receiver) in names:
            raise ConfigError(f"{path}: {spot}.name: {receiver_name(receiver)!r} is taken; give it a name of its own")
        names.add(receiver_name(receiver))
    for index, hook in enumerate(config.webhook):
        if hook.minimum not in ("warning", "critical"):
            raise ConfigError(f"{path}: webhook[{index}].minimum must be warning or critical, not {hook.minimum!r}")
        if hook.template and (problem := check_template(hook.template)):
            raise ConfigError(f"{path}: webhook[{index}].template: {problem}")
        if hook.secret_file and not os.access(beside(path, hook.secret_file), os.R_OK):
            raise ConfigError(f"{path}: webhook[{index}].secret_file: {hook.secret_file} cannot be read")


def _check_speaker(path: Path, speaker: SpeakerSource) -> None:
    try:
        words = speaker.command
    except ValueError as error:
        raise ConfigError(f"{path}: speaker.on_split_brain: {str(error).lower()}") from None
    if words and not os.path.isabs(words[0]):
        raise ConfigError(f"{path}: speaker.on_split_brain: {words[0]!r} must be a whole path, from /")
    if not all(speaker.yield_to_superior):
        raise ConfigError(f'{path}: speaker.yield_to_superior: a name is empty; "*" stands for every instance')


def _check_router(path: Path, spot: str, router: Router) -> None:
    if not 1 <= router.vrid <= 255:
        raise ConfigError(f"{path}: {spot}.vrid must be 1 to 255, not {router.vrid}")
    if router.family not in FAMILY_NAMES:
        raise ConfigError(f"{path}: {spot}.family must be 4 or 6, not {router.family}")
    if router.version not in (0, 2, 3) or router.auth not in ("", "none", "pass", "ah"):
        raise ConfigError(f"{path}: {spot}: version is 2 or 3, auth is none, pass or ah")
    for key in ("addresses", "members", "priorities"):
        for address in getattr(router, key):
            try:
                version = ip_address(address).version
            except ValueError:
                raise ConfigError(f"{path}: {spot}.{key}: {address!r} is no address") from None
            if version != router.family:
                raise ConfigError(f"{path}: {spot}.{key}: {address} is IPv{version}, the router is IPv{router.family}")


def expected(config: Config, path: Path) -> list[Expected]:
    """The `[[router]]` tables as expectations for the judge; canonical address text."""
    return [
        Expected(
            vrid=row.vrid,
            family=row.family,
            segment=row.segment,
            addresses=tuple(str(ip_address(a)) for a in row.addresses),
            version=row.version or None,
            interval=row.interval or None,
            auth=row.auth or None,
            priorities={str(ip_address(a)): priority for a, priority in row.priorities.items()},
            members=tuple(str(ip_address(a)) for a in row.members),
            where={"": f"{path}: router[{index}]"},
        )
        for index, row in enumerate(config.router)
    ]


def _check_receiver(path: Path, spot: str, receiver: Alertmanager | Webhook) -> None:
    try:
        url = urlsplit(receiver.url)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{path}: {spot}.url: {receiver.url!r} is no http or https URL")
    if not 0 < receiver.timeout <= 300:
        raise ConfigError(f"{path}: {spot}.timeout must be above 0 and at most 300 seconds, not {receiver.timeout:g}")
    if isinstance(receiver, Alertmanager) and not (1 <= receiver.resend <= 3600 and 0 <= receiver.hold <= 86400):
        raise ConfigError(f"{path}: {spot}: resend must be 1 to 3600 and hold 0 to 86400 seconds")
    if receiver.ca_file and not os.access(beside(path, receiver.ca_file), os.R_OK):
        raise ConfigError(f"{path}: {spot}.ca_file: {receiver.ca_file} cannot be read")
    for name, value in receiver.headers.items():
        if not name.replace("-", "").isalnum() or not name.isascii() or not (value.isascii() and value.isprintable()):
            raise ConfigError(f"{path}: {spot}.headers.{name}: not an HTTP header field")


def receiver_name(receiver: Alertmanager | Webhook) -> str:
    """The name in metrics and logs: as configured, else the URL's host (never its path: that may be a secret)."""
    if receiver.name:
        return receiver.name
    kind = "alertmanager" if isinstance(receiver, Alertmanager) else "webhook"
    return f"{kind}:{urlsplit(receiver.url).netloc.rsplit('@', 1)[-1]}"


def beside(path: Path, name: str) -> Path:
    """A file name of the configuration: relative ones are beside it."""
    return path.parent / Path(name).expanduser()
