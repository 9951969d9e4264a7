"""The overview: is any address held by two hosts, now or lately, and does every sensor hear?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard as d
from grafana_foundation_sdk.models import dashboard as m

from .parts import (
    COLOURED,
    GREEN,
    GROUP,
    LEGEND,
    MASTER_COUNT,
    ORANGE,
    OVERVIEW_UID,
    RED,
    ROUTER_UID,
    RUNBOOKS,
    Panel,
    annotation,
    class_mappings,
    datasource_variable,
    graph,
    place,
    query,
    rows,
    select,
    stat_panel,
    timeline,
    to_router,
    values,
    variable,
)

ACTIVE: Final = select("vrrpwatch_split_brain_active")
EPISODES: Final = select("vrrpwatch_split_brain_episodes_total")
SECONDS: Final = select("vrrpwatch_split_brain_seconds_total")
MASTERS: Final = select("vrrpwatch_group_masters")
SNIFFER: Final = select("vrrpwatch_sniffer_up", scope=())
SEEN: Final = select("vrrpwatch_master_last_seen_timestamp_seconds", 'source!="other"')
#: A source is master at a sensor that hears a live one and heard nobody much later (a split shows both).
WHO: Final = f"""
max by ({GROUP}, source) (
  {SEEN} > on ({GROUP}, job, instance) group_left () (max by ({GROUP}, job, instance) ({SEEN}) - 5)
  and on ({GROUP}, job, instance) {MASTERS} > 0
) > bool 0
"""
DEAF: Final = f"""
  count(
    {SNIFFER} == 0
    or
    {MASTERS} == 0 and on ({GROUP}) max by ({GROUP}) ({MASTERS}) > 0
  ) or vector(0)
"""


def build() -> d.Dashboard:
    """The dashboard."""
    board = (
        d.Dashboard("VRRP / Overview")
        .uid(OVERVIEW_UID)
        .description("Split brain, masters and sensors of all virtual routers that vrrpwatch hears.")
        .tags(["vrrp", "vrrpwatch"])
        .time("now-24h", "now")
        .refresh("1m")
        .readonly()
        .tooltip(m.DashboardCursorSync.CROSSHAIR)
        .link(d.DashboardLink("Runbooks").type(m.DashboardLinkType.LINK).url(RUNBOOKS + "README.md").target_blank(True))
        .link(
            d.DashboardLink("Virtual router")
            .type(m.DashboardLinkType.LINK)
            .url(f"/d/{ROUTER_UID}")
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(datasource_variable())
        .with_variable(variable("job", "Job", "Scrape job of the sensors.", "vrrpwatch_build_info"))
        .with_variable(
            variable("instance", "Instance", "Sensor: a scrape target.", 'vrrpwatch_build_info{job=~"$job"}')
        )
        .with_variable(variable("segment", "Segment", "Broadcast domain.", 'vrrpwatch_group_masters{job=~"$job"}'))
        .annotation(annotation("Split brain", f"max by ({GROUP}) ({ACTIVE}) == 1", f"Split brain: {LEGEND}", RED))
    )
    return place(
        board,
        [
            (None, 4, [(panel, 4) for panel in figures()]),
            (None, 9, [(routers(), 24)]),
            ("Over time", 9, [(panel, 12) for panel in over_time()]),
            ("Sensors", 8, [(sensors(), 12), (frames(), 12)]),
        ],
    )


def figures() -> list[Panel]:
    return [
        stat_panel(
            "Split brains now",
            "Virtual routers of which a sensor proves, from the wire, that two hosts act as master.",
            f"count(max by ({GROUP}) ({ACTIVE}) == 1) or vector(0)",
            steps=((None, GREEN), (1, RED)),
            runbooks=("VrrpSplitBrain", "VrrpSplitBrainPartitioned"),
        ),
        stat_panel(
            "Episodes, 24 h",
            "Split brain episodes of the last 24 hours, short and suspected ones too, by the sensor that saw most.",
            f"round(sum(max by ({GROUP}) (increase({EPISODES}[24h])))) or vector(0)",
            steps=((None, GREEN), (1, ORANGE)),
            runbooks=("VrrpSplitBrainTransient",),
        ),
        stat_panel(
            "Time in split brain, 24 h",
            "Seconds of split brain in the last 24 hours, all virtual routers added up.",
            f"sum(max by ({GROUP}) (increase({SECONDS}[24h]))) or vector(0)",
            unit="s",
            steps=((None, GREEN), (0.001, ORANGE), (60, RED)),
        ),
        stat_panel(
            "Virtual routers",
            "Virtual routers (segment, family, VRID) that the sensors know.",
            f"count(count by ({GROUP}) ({MASTERS})) or vector(0)",
        ),
        stat_panel(
            "Without a master",
            "Virtual routers of which no sensor hears a live master: nobody holds their addresses.",
            f"count(max by ({GROUP}) ({MASTERS}) == 0) or vector(0)",
            steps=((None, GREEN), (1, RED)),
            runbooks=("VrrpNoMaster",),
        ),
        stat_panel(
            "Deaf sensors",
            "Interfaces that cannot be captured, and sensors that hear no master where another sensor hears one.",
            DEAF,
            steps=((None, GREEN), (1, ORANGE)),
            runbooks=("VrrpwatchSensorDeaf",),
        ),
    ]


def routers() -> Panel:
    last = f"max by ({GROUP}) ({select('vrrpwatch_split_brain_last_seen_timestamp_seconds')} > 0) * 1000"
    return rows(
        "Virtual routers",
        "What the sensors say of each virtual router now: the verdict's class and its cause. Sensors that disagree have"
        " a line each.",
        [
            query(f"count by ({GROUP}, class, cause) ({select('vrrpwatch_verdict_info')} == 1)", ref="A", instant=True),
            query(f"max by ({GROUP}) ({MASTERS})", ref="B", instant=True),
            query(f"round(max by ({GROUP}) (increase({EPISODES}[24h])))", ref="C", instant=True),
            query(last, ref="D", instant=True),
        ],
        {
            "site": "Site",
            "segment": "Segment",
            "vrid": "VRID",
            "family": "Family",
            "class": "Class",
            "cause": "Cause",
            "Value #A": "Sensors",
            "Value #B": "Masters",
            "Value #C": "Episodes, 24 h",
            "Value #D": "Last split brain",
        },
        runbooks=("README",),
        fields={
            "Class": [COLOURED, ("mappings", class_mappings())],
            "Masters": [COLOURED, ("mappings", MASTER_COUNT)],
            "VRID": [("links", [to_router().build()])],
            "Last split brain": [("unit", "dateTimeFromNow")],
        },
    )


def over_time() -> list[Panel]:
    return [
        timeline(
            "Masters heard",
            "Live masters of each virtual router, by the sensor that hears most: one is right, none is an outage,"
            " two and more outside of a handover are a split brain.",
            [query(f"max by ({GROUP}) ({MASTERS})", LEGEND)],
            MASTER_COUNT,
            runbooks=("VrrpSplitBrain", "VrrpNoMaster"),
        ),
        timeline(
            "Who is master",
            "The sources that are master, a row each: a handover ends one bar and begins another; two at one time are a"
            " split brain.",
            [query(WHO, f"{LEGEND} {{{{source}}}}")],
            [values({"1": ("master", GREEN)})],
        ),
    ]


def sensors() -> Panel:
    age = select("vrrpwatch_sniffer_last_frame_timestamp_seconds", scope=())
    dropped = select("vrrpwatch_sniffer_dropped_total", scope=())
    return rows(
        "Sensors",
        "Each captured interface: can it be captured, when did its last frame come, how many were dropped in 24 hours?",
        [
            query(f"min by (job, instance, interface) ({SNIFFER})", ref="A", instant=True),
            query(f"max by (job, instance, interface) ({age}) * 1000", ref="B", instant=True),
            query(f"sum by (job, instance, interface) (increase({dropped}[24h]))", ref="C", instant=True),
        ],
        {
            "instance": "Sensor",
            "interface": "Interface",
            "Value #A": "Capture",
            "Value #B": "Last frame",
            "Value #C": "Dropped, 24 h",
        },
        runbooks=("VrrpwatchDown", "VrrpwatchSensorDeaf", "VrrpwatchSensorDropping"),
        fields={
            "Capture": [COLOURED, ("mappings", [values({"0": ("deaf", RED), "1": ("up", GREEN)})])],
            "Last frame": [("unit", "dateTimeFromNow")],
        },
    )


def frames() -> Panel:
    seen, dropped = (select(f"vrrpwatch_sniffer_{what}_total", scope=()) for what in ("frames", "dropped"))
    return graph(
        "Frames at the sensors",
        "Frames that each sensor read per second, and those that the kernel dropped before it could.",
        [
            query(f"sum by (instance) (rate({seen}[$__rate_interval]))", "{{instance}}"),
            query(f"sum by (instance) (rate({dropped}[$__rate_interval])) > 0", "{{instance}} dropped", ref="B"),
        ],
        unit="pps",
        runbooks=("VrrpwatchSensorDropping",),
    )
