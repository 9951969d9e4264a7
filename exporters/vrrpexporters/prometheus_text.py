"""The text of the Prometheus and OpenMetrics formats: headers, label text and values, as plain strings.

prometheus-client negotiates and renders the light families; the heavy ones (one row per virtual router and master) are
rendered here from label text that was escaped once, because the library costs tens of microseconds per router for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_SMALL = tuple(f"{number}.0\n" for number in range(1024))


@dataclass(frozen=True, slots=True, eq=False)  # hashed by identity: families are dictionary keys on the hot path
class Family:
    """A metric family; `name` is without the `_total` or `_info` that its samples carry."""

    name: str
    kind: str  # counter, gauge, info
    help: str

    @property
    def sample(self) -> str:
        """The name that the samples carry in both formats."""
        return self.name + {"counter": "_total", "info": "_info"}.get(self.kind, "")

    def header(self, openmetrics: bool) -> str:
        """The HELP and TYPE lines; the two formats differ in the name of counters and in the type of infos."""
        name = self.name if openmetrics else self.sample
        kind = self.kind if openmetrics or self.kind != "info" else "gauge"
        return f"# HELP {name} {self.help}\n# TYPE {name} {kind}\n"


def escape(value: str) -> str:
    """A label value as both formats want it between its quotes; what is no Unicode text (surrogates) is replaced."""
    if value.isalnum() and value.isascii():
        return value
    value = value.encode("utf-8", "replace").decode("utf-8")
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def label_text(pairs: Iterable[tuple[str, str]]) -> str:
    """`[("vrid", "51"), ("family", "ipv4")]` -> `family="ipv4",vrid="51"` (sorted by name, as the library does)."""
    return ",".join(f'{name}="{escape(value)}"' for name, value in sorted(pairs))


def value_text(value: float) -> str:
    """A sample's value and the line's end; whole numbers below 1,024 are the common case."""
    if value == (small := int(value)) and 0 <= small < 1024:
        return _SMALL[small]
    return f"{float(value)!r}\n"
