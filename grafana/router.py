"""One virtual router: its masters, their adverts and priorities, its episodes, and what its speakers say."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard as d
from grafana_foundation_sdk.models import dashboard as m

from .parts import (
    BLUE,
    CLASS_COLOURS,
    GREEN,
    GREY,
    MASTER_COUNT,
    ORANGE,
    OVERVIEW_UID,
    RED,
    ROUTER_UID,
    RUNBOOKS,
    Panel,
    annotation,
    datasource_variable,
    from_value,
    graph,
    place,
    query,
    rows,
    select,
    stat_panel,
    timeline,
    values,
    variable,
)

SCOPE: Final = ("segment", "family", "vrid")


def one(metric: str, *more: str) -> str:
    """A selector of the virtual router that the page shows."""
    return select(metric, *more, scope=SCOPE)


ACTIVE: Final = one("vrrpwatch_split_brain_active")
SEEN: Final = one("vrrpwatch_master_last_seen_timestamp_seconds", 'source!="other"')
INFO: Final = one("vrrpwatch_verdict_info")
MASTERS: Final = one("vrrpwatch_group_masters")
WHO: Final = f"""
max by (source) (
  {SEEN} > on (job, instance, segment, family, vrid) group_left () (
    max by (job, instance, segment, family, vrid) ({SEEN}) - 5
  )
  and on (job, instance, segment, family, vrid) {MASTERS} > 0
) > bool 0
"""
STATES: Final = {"0": ("init", GREY), "1": ("fault", RED), "2": ("backup", BLUE), "3": ("master", GREEN)}


def build() -> d.Dashboard:
    """The dashboard."""
    groups = 'vrrpwatch_group_masters{job=~"$job"'
    board = (
        d.Dashboard("VRRP / Virtual router")
        .uid(ROUTER_UID)
        .description("One virtual router as all sensors see it, and as its own speakers do.")
        .tags(["vrrp", "vrrpwatch"])
        .time("now-6h", "now")
        .refresh("1m")
        .readonly()
        .tooltip(m.DashboardCursorSync.CROSSHAIR)
        .link(d.DashboardLink("Runbooks").type(m.DashboardLinkType.LINK).url(RUNBOOKS + "README.md").target_blank(True))
        .link(d.DashboardLink("Overview").type(m.DashboardLinkType.LINK).url(f"/d/{OVERVIEW_UID}").keep_time(True))
        .with_variable(datasource_variable())
        .with_variable(variable("job", "Job", "Scrape job of the sensors.", "vrrpwatch_build_info"))
        .with_variable(
            variable("instance", "Instance", "Sensor: a scrape target.", 'vrrpwatch_build_info{job=~"$job"}')
        )
        .with_variable(variable("segment", "Segment", "Broadcast domain.", groups + "}", many=False))
        .with_variable(variable("family", "Family", "Address family.", groups + ', segment=~"$segment"}', many=False))
        .with_variable(
            variable(
                "vrid",
                "VRID",
                "Virtual router identifier.",
                groups + ', segment=~"$segment", family=~"$family"}',
                many=False,
            )
        )
        .annotation(annotation("Split brain", f"max({ACTIVE}) == 1", "Split brain", RED))
        .annotation(
            annotation(
                "Episode counted",
                f"sum(increase({one('vrrpwatch_split_brain_episodes_total')}[1m])) > 0",
                "Episode counted",
                ORANGE,
            )
        )
        .annotation(
            annotation(
                "Change of master",
                f"max by (reason) (increase({one('vrrpwatch_master_transitions_total')}[1m])) > 0",
                "Change of master: {{reason}}",
                BLUE,
            )
        )
    )
    return place(
        board,
        [
            (None, 4, figures()),
            ("Masters", 7, [(masters(), 12), (who(), 12)]),
            (None, 7, [(sources(), 24)]),
            ("Adverts", 8, adverts()),
            ("Episodes", 8, episodes()),
            ("Addresses and agreement", 7, agreement()),
            ("What the speakers say", 7, speakers()),
        ],
    )


def verdict() -> Panel:
    panel = stat_panel(
        "Verdict",
        "The present class and cause, as the sensors judge it; more than one where they disagree.",
        f"max by (class, cause) ({INFO} == 1)",
        name_of="{{class}} {{cause}}",
        none="not heard",
        steps=((None, BLUE),),
        runbooks=("README",),
    )
    for name, colour in CLASS_COLOURS.items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        panel.override_by_regexp(f"^{name}( .*)?$", [m.DynamicConfigValue(id_val="color", value=fixed)])
    return panel


def figures() -> list[tuple[Panel, int]]:
    last = one("vrrpwatch_split_brain_last_seen_timestamp_seconds")
    return [
        (verdict(), 8),
        (
            stat_panel(
                "Masters",
                "Live masters, by the sensor that hears most.",
                f"max({MASTERS})",
                mappings=MASTER_COUNT,
                none="none",
                runbooks=("VrrpSplitBrain", "VrrpNoMaster"),
            ),
            4,
        ),
        (
            stat_panel(
                "Hosts per address",
                "The most hosts that answered for one of the virtual addresses: more than one is a split brain, an"
                " address left behind, or a duplicate.",
                f"max({one('vrrpwatch_address_owners')})",
                steps=((None, GREEN), (2, RED)),
                none="not asked",
                runbooks=("VrrpResidualAddress", "VrrpDuplicateAddress"),
            ),
            4,
        ),
        (
            stat_panel(
                "Last split brain",
                "When two masters were last seen, short and suspected episodes included.",
                f"max({last} > 0) * 1000",
                unit="dateTimeFromNow",
                steps=((None, ORANGE),),
                none="never",
                runbooks=("VrrpSplitBrainTransient",),
            ),
            4,
        ),
        (
            stat_panel(
                "Changes of master, 24 h",
                "Handovers of the last 24 hours, by the sensor that saw most.",
                f"round(max(sum by (instance) (increase({one('vrrpwatch_master_transitions_total')}[24h]))))",
                steps=((None, GREEN), (3, ORANGE)),
                none="0",
                runbooks=("VrrpMasterFlapping",),
            ),
            4,
        ),
    ]


def masters() -> Panel:
    return timeline(
        "Masters heard, by sensor",
        "Live masters that each sensor hears. Where sensors differ for longer than a handover, one is deaf or the"
        " segment is cut in two.",
        [query(f"max by (instance) ({MASTERS})", "{{instance}}")],
        MASTER_COUNT,
        runbooks=("VrrpSplitBrain", "VrrpwatchSensorDeaf"),
    )


def who() -> Panel:
    return timeline(
        "Who is master",
        "The sources that are master, a row each. A handover ends one bar and begins another.",
        [query(WHO, "{{source}}")],
        [values({"1": ("master", GREEN)})],
        runbooks=("VrrpSplitBrain", "VrrpMasterFlapping"),
    )


def sources() -> Panel:
    seen = one("vrrpwatch_master_last_seen_timestamp_seconds")
    return rows(
        "Sources",
        "Everybody who advertised this virtual router, with what the last advert said.",
        [
            query(f"count by (source, mac, version, auth) ({one('vrrpwatch_master_info')})", ref="A", instant=True),
            query(f"max by (source) ({one('vrrpwatch_master_priority')})", ref="B", instant=True),
            query(f"max by (source) ({seen}) * 1000", ref="C", instant=True),
            query(f"max by (source) (increase({one('vrrpwatch_master_adverts_total')}[24h]))", ref="D", instant=True),
        ],
        {
            "source": "Source",
            "mac": "MAC",
            "version": "Version",
            "auth": "Authentication",
            "Value #B": "Priority",
            "Value #C": "Last advert",
            "Value #D": "Adverts, 24 h",
            "Value #A": "Sensors",
        },
        runbooks=("VrrpUnexpectedSource",),
        fields={"Last advert": [("unit", "dateTimeFromNow")], "Adverts, 24 h": [("decimals", 0)]},
    )


def adverts() -> list[tuple[Panel, int]]:
    per_source = f"max by (source) (rate({one('vrrpwatch_master_adverts_total')}[$__rate_interval]))"
    invalid = f"sum by (reason) (rate({one('vrrpwatch_adverts_invalid_total')}[$__rate_interval]))"
    return [
        (
            graph(
                "Adverts by source",
                "Valid adverts per second of each source: one speaks, the others are silent.",
                [query(per_source, "{{source}}")],
                unit="cps",
            ),
            8,
        ),
        (
            graph(
                "Priority by source",
                "The priority in the last advert of each source.",
                [query(f"max by (source) ({one('vrrpwatch_master_priority')})", "{{source}}")],
                unit="short",
            ),
            8,
        ),
        (
            graph(
                "Invalid adverts by reason",
                "Adverts that do not parse or validate, per second.",
                [query(invalid, "{{reason}}")],
                unit="cps",
                runbooks=("VrrpConfigMismatch",),
            ),
            8,
        ),
    ]


def episodes() -> list[tuple[Panel, int]]:
    by_cause = one("vrrpwatch_split_brain_episodes_by_cause_total")
    share = f"max(rate({one('vrrpwatch_split_brain_seconds_total')}[$__rate_interval]))"
    changes = f"max by (reason) (increase({one('vrrpwatch_master_transitions_total')}[$__rate_interval]))"
    return [
        (
            graph(
                "Share of time in split brain",
                "How much of the time two masters overlapped: 100 % is a split brain that lasts.",
                [query(share, "split brain")],
                unit="percentunit",
                runbooks=("VrrpSplitBrain",),
            ),
            8,
        ),
        (
            graph(
                "Episodes by class and cause",
                "Episodes that ended, counted at their end.",
                [query(f"max by (class, cause) (increase({by_cause}[$__rate_interval]))", "{{class}} {{cause}}")],
                unit="short",
                bars=True,
                runbooks=("VrrpSplitBrainTransient",),
            ),
            8,
        ),
        (
            graph(
                "Changes of master by reason",
                "Handovers, by how the old master's claim ended.",
                [query(changes, "{{reason}}")],
                unit="short",
                bars=True,
                runbooks=("VrrpMasterFlapping",),
            ),
            8,
        ),
    ]


def agreement() -> list[tuple[Panel, int]]:
    return [
        (
            timeline(
                "Hosts that answer, by address",
                "Distinct hosts that answer ARP or neighbour discovery for each virtual address: exactly one is right.",
                [query(f"max by (vip) ({one('vrrpwatch_address_owners')})", "{{vip}}")],
                [values({"0": ("nobody", RED), "1": ("one", GREEN)}), from_value(2, None, "dark-red")],
                runbooks=("VrrpResidualAddress", "VrrpDuplicateAddress"),
            ),
            12,
        ),
        (
            timeline(
                "Disagreements",
                "In what the speakers visibly disagree.",
                [query(f"max by (kind) ({one('vrrpwatch_mismatch')})", "{{kind}}")],
                [values({"0": ("agree", GREEN)}), from_value(1, "disagree", ORANGE)],
                runbooks=("VrrpConfigMismatch",),
            ),
            12,
        ),
    ]


def speakers() -> list[tuple[Panel, int]]:
    numbers = {name: number for number, (name, _colour) in STATES.items()}
    each = {name: one("vrrpwatch_instance_state", f'state="{name}"') for name in numbers}
    state = " or ".join(f"{selector} * {numbers[name]}" for name, selector in each.items())
    age = one("vrrpwatch_instance_master_age_seconds")
    return [
        (
            timeline(
                "State by speaker",
                "What each daemon (vrrpwatch, keepalived, FRR) says of itself. Two masters at one time are a split"
                " brain even where no sensor hears both.",
                [query(f"sum by (instance, instance_name) ({state})", "{{instance}} {{instance_name}}")],
                [values(STATES)],
                runbooks=("VrrpSplitBrainPartitioned",),
            ),
            12,
        ),
        (
            graph(
                "Master for",
                "For how long each speaker has called itself master; no line while it does not.",
                [query(f"max by (instance, instance_name) ({age}) >= 0", "{{instance}} {{instance_name}}")],
                unit="s",
                runbooks=("VrrpSplitBrainPartitioned",),
            ),
            12,
        ),
    ]
