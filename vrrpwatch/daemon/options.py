"""What the daemon is to do: the command line laid over vrrpwatch.toml."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from vrrpcore.errors import ConfigError
from vrrpcore.judge.expectations import Expected, from_settings
from vrrpwatch.config import Config, SpeakerSource, beside, expected, load


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; it wins over the file. None: not given."""

    interfaces: tuple[str, ...] = ()
    config: Path | None = None
    listen: str | None = None
    web_config: Path | None = None
    journal: Path | None = None
    textfile: Path | None = None
    promisc: bool | None = None
    probe: bool | None = None
    segments: tuple[tuple[str, str], ...] = ()  # (interface or "", name)
    speaker: str | None = None  # where `vrrpwatch run` publishes its state, when that is to be read
    processes: int | None = None

    @property
    def base(self) -> Path:
        """The folder that relative file names of the configuration are in."""
        return self.config.parent if self.config else Path()


def read_config(options: Options) -> Config:
    """The file with the command line laid over it; file names in it made absolute. ConfigError as config.load."""
    config = load(options.config) if options.config else Config()
    where = options.config or Path()
    watch = config.watch
    watch = replace(
        watch,
        interfaces=options.interfaces or watch.interfaces,
        listen=options.listen or watch.listen,
        web_config=_name(options.web_config, where, watch.web_config),
        journal=_name(options.journal, where, watch.journal) or _state_directory(),
        textfile=_name(options.textfile, where, watch.textfile),
        expect=_name(None, where, watch.expect),
        promisc=watch.promisc if options.promisc is None else options.promisc,
        probe=watch.probe if options.probe is None else options.probe,
        processes=options.processes or watch.processes,
        segments={**watch.segments, **dict(options.segments)},
    )
    if watch.textfile and not Path(watch.textfile).parent.is_dir():
        raise ConfigError(f"textfile {watch.textfile}: there is no folder {Path(watch.textfile).parent}")
    speaker = config.speaker
    if options.speaker:
        speaker = replace(speaker or SpeakerSource(), state=options.speaker)
    return replace(config, watch=watch, speaker=speaker)


def _name(given: Path | None, where: Path, configured: str) -> str:
    if given is not None:
        return str(given)
    return str(beside(where, configured)) if configured else ""


def _state_directory() -> str:
    """Where systemd's StateDirectory= lets the service keep its journal; "" outside of it."""
    folder = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return str(Path(folder) / "journal.db") if folder else ""


def read_expectations(config: Config, options: Options) -> list[Expected]:
    """What must exist: the `[[router]]` tables, and what the keepalived.conf at `watch.expect` configures."""
    wanted = expected(config, options.config or Path("vrrpwatch.toml"))
    if config.watch.expect:
        if not os.access(config.watch.expect, os.R_OK):
            raise ConfigError(f"watch.expect: {config.watch.expect} cannot be read")
        from vrrpwatch.keepalived_conf.read import read

        settings, _ = read(config.watch.expect)
        wanted += from_settings(settings)
    return wanted
