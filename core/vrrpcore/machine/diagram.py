"""The state machine's page for people, drawn from its table (`python -m vrrpcore.machine.diagram`)."""

from __future__ import annotations

from vrrpcore.machine.actions import State
from vrrpcore.machine.table import SIGNALS, TABLE

_HEAD = """# The state machine of a virtual router

Drawn from the transition table in `core/vrrpcore/machine/table.py` by `python -m vrrpcore.machine.diagram`; a test
keeps this page equal to the table. Sections (§) are those of RFC 9568 unless another RFC is named.
"""


def mermaid() -> str:
    """The transitions between different states as a mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> init"]
    for (state, signal), row in TABLE.items():
        if row.target is not state:
            lines.append(f"    {state.value} --> {row.target.value}: {signal}")
    return "\n".join(lines)


def page() -> str:
    """The whole page as markdown."""
    lines = [_HEAD, "```mermaid", mermaid(), "```", "", "| state | signal | becomes | steps | where it is from |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for (state, signal), row in TABLE.items():
        steps = ", ".join(step.replace("_", " ") for step in row.steps) or "none"
        lines.append(f"| {state.value} | `{signal}` | {row.target.value} | {steps} | {row.why} |")
    lines += ["", "A pair that is not in the table cannot occur: in `init` and `fault` adverts are not looked at.", ""]
    lines += ["| signal | what it stands for |", "| --- | --- |"]
    lines += [f"| `{signal}` | {meaning} |" for signal, meaning in SIGNALS.items()]
    states = ", ".join(f"`{state.value}`" for state in State)
    lines += ["", f"States: {states}. `fault` is keepalived's: an interface, address or tracked thing is missing."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
