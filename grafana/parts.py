"""What both dashboards are made of: the data source, variables, queries, panels and the grid.

Identifiers and places are set here: the SDK leaves panel ids null, and its own layout can overflow the 24 columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from grafana_foundation_sdk.builders import common as c
from grafana_foundation_sdk.builders import dashboard as d
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common as cm
from grafana_foundation_sdk.models import dashboard as m
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE: Final = m.DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOKS: Final = "https://github.com/vrrpwatch/vrrpwatch/blob/main/alerts/runbooks/"
OVERVIEW_UID: Final = "vrrpwatch-overview"
ROUTER_UID: Final = "vrrpwatch-router"
#: A virtual router. `site` is empty where the operator sets none.
GROUP: Final = "site, segment, family, vrid"
LEGEND: Final = "{{site}} {{segment}} {{vrid}}/{{family}}"
GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "text"
#: Verdict class -> colour, in the order of badness.
CLASS_COLOURS: Final = {
    **dict.fromkeys(("split_brain", "residual_vip", "duplicate_ip", "vrid_collision", "no_master"), RED),
    **dict.fromkeys(("split_brain_suspected", "transient_dual_master", "flapping", "arp_flux", "misconfig"), ORANGE),
    **dict.fromkeys(("handover", "steady"), GREEN),
    "unknown": GREY,
}
Panel = stat.Panel | statetimeline.Panel | table.Panel | timeseries.Panel


def select(metric: str, *more: str, scope: Sequence[str] = ("segment",)) -> str:
    """A selector that obeys the dashboard's variables; `more` are further matchers, as text."""
    matchers = [f'{name}=~"${name}"' for name in ("job", "instance", *scope)]
    return f"{metric}{{{', '.join([*matchers, *more])}}}"


def query(expr: str, legend: str = "", *, ref: str = "A", instant: bool = False) -> prometheus.Dataquery:
    """One target; `instant` ones come as a table."""
    built = prometheus.Dataquery().expr(" ".join(expr.split())).ref_id(ref).datasource(SOURCE)
    if instant:
        return built.instant().format(PromQueryFormat.TABLE)
    return built.range().legend_format(legend or "__auto")


def thresholds(*steps: tuple[float | None, str]) -> d.ThresholdsConfig:
    return (
        d.ThresholdsConfig()
        .mode(m.ThresholdsMode.ABSOLUTE)
        .steps([m.Threshold(value=value, color=colour) for value, colour in steps])
    )


def values(table: Mapping[str, tuple[str, str]]) -> m.ValueMap:
    """Value -> (text, colour)."""
    results = {
        value: m.ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(table.items())
    }
    return m.ValueMap(options=results)


def from_value(begin: float, text: str | None, colour: str) -> m.RangeMap:
    """Everything from `begin` on."""
    result = m.ValueMappingResult(text=text, color=colour, index=99)
    return m.RangeMap(options=m.DashboardRangeMapOptions(from_val=begin, to=None, result=result))


MASTER_COUNT: Final = [values({"0": ("none", RED), "1": ("one", GREEN)}), from_value(2, None, "dark-red")]


def runbook(alert: str) -> d.DashboardLink:
    """A panel's link to the page that explains what to do."""
    return link(f"Runbook: {alert}", f"{RUNBOOKS}{alert}.md")


def link(title: str, url: str) -> d.DashboardLink:
    return d.DashboardLink(title).type(m.DashboardLinkType.LINK).url(url).target_blank(True)


def to_router(title: str = "This virtual router") -> d.DashboardLink:
    """A data link from a row or series of a virtual router to its page."""
    labels = "&".join(
        f"var-{name}=${{__data.fields.{name}}}" for name in ("segment", "family", "vrid")
    )  # table rows have the labels as fields
    return link(title, f"/d/{ROUTER_UID}?${{datasource:queryparam}}&{labels}").target_blank(False)


def basics(
    panel: Any, title: str, description: str, targets: Sequence[prometheus.Dataquery], links: Sequence[str]
) -> Any:
    """What every panel has."""
    panel.title(title).description(description).datasource(SOURCE)
    for target in targets:
        panel.with_target(target)
    if links:
        panel.links([runbook(alert) for alert in links])
    return panel


def stat_panel(
    title: str,
    description: str,
    expr: str,
    *,
    unit: str = "short",
    steps: Sequence[tuple[float | None, str]] = ((None, GREEN),),
    runbooks: Sequence[str] = (),
    none: str | None = None,
    name_of: str | None = None,
    mappings: Sequence[Any] = (),
) -> stat.Panel:
    """One figure, or with `name_of` the name of the series itself."""
    panel: stat.Panel = basics(stat.Panel(), title, description, [query(expr, name_of or "")], runbooks)
    panel.unit(unit).thresholds(thresholds(*steps)).graph_mode(cm.BigValueGraphMode.NONE)
    panel.color_mode(cm.BigValueColorMode.BACKGROUND).mappings(list(mappings))
    panel.reduce_options(c.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.text_mode(cm.BigValueTextMode.NAME if name_of else cm.BigValueTextMode.VALUE)
    if none is not None:
        panel.no_value(none)
    return panel


def timeline(
    title: str,
    description: str,
    targets: Sequence[prometheus.Dataquery],
    mappings: Sequence[Any],
    *,
    runbooks: Sequence[str] = (),
    steps: Sequence[tuple[float | None, str]] = ((None, GREEN),),
) -> statetimeline.Panel:
    """States over time, one row per series."""
    panel: statetimeline.Panel = basics(statetimeline.Panel(), title, description, targets, runbooks)
    panel.unit("short").mappings(list(mappings)).thresholds(thresholds(*steps))
    panel.show_value(cm.VisibilityMode.AUTO).row_height(0.8).merge_values(True)
    panel.line_width(0).fill_opacity(70)
    panel.legend(legend(shown=False))
    return panel


def graph(
    title: str,
    description: str,
    targets: Sequence[prometheus.Dataquery],
    *,
    unit: str,
    runbooks: Sequence[str] = (),
    bars: bool = False,
) -> timeseries.Panel:
    """Curves over time, or stacked bars for what is counted."""
    panel: timeseries.Panel = basics(timeseries.Panel(), title, description, targets, runbooks)
    panel.unit(unit).min(0).legend(legend()).thresholds(thresholds((None, GREEN)))
    panel.tooltip(c.VizTooltipOptions().mode(cm.TooltipDisplayMode.MULTI).sort(cm.SortOrder.DESCENDING))
    if bars:
        panel.draw_style(cm.GraphDrawStyle.BARS).fill_opacity(60)
        panel.stacking(c.StackingConfig().mode(cm.StackingMode.NORMAL))
    else:
        panel.draw_style(cm.GraphDrawStyle.LINE).line_width(1).fill_opacity(10)
    return panel


def rows(
    title: str,
    description: str,
    targets: Sequence[prometheus.Dataquery],
    columns: Mapping[str, str],
    *,
    runbooks: Sequence[str] = (),
    fields: Mapping[str, Sequence[tuple[str, Any]]] | None = None,
) -> table.Panel:
    """A table of instant queries merged on their labels.

    `columns`: field -> heading, in order; other fields are hidden. `fields`: heading -> its settings.
    """
    panel: table.Panel = basics(table.Panel(), title, description, targets, runbooks)
    panel.unit("short").thresholds(thresholds((None, GREY))).filterable(True)
    panel.with_transformation(m.DataTransformerConfig(id_val="merge", options={}))
    keep = {"include": {"names": list(columns)}}
    panel.with_transformation(m.DataTransformerConfig(id_val="filterFieldsByName", options=keep))
    order = {"indexByName": {name: index for index, name in enumerate(columns)}, "renameByName": dict(columns)}
    panel.with_transformation(m.DataTransformerConfig(id_val="organize", options=order))
    for name, settings in (fields or {}).items():
        panel.override_by_name(name, [m.DynamicConfigValue(id_val=key, value=value) for key, value in settings])
    return panel


def legend(shown: bool = True) -> c.VizLegendOptions:
    built = c.VizLegendOptions().display_mode(cm.LegendDisplayMode.LIST).placement(cm.LegendPlacement.BOTTOM)
    return built.show_legend(shown).calcs([])


COLOURED: Final = ("custom.cellOptions", {"type": "color-background", "mode": "basic"})


def class_mappings() -> list[m.ValueMap]:
    return [values({name: (name, colour) for name, colour in CLASS_COLOURS.items()})]


def place(dashboard: d.Dashboard, layout: Sequence[tuple[str | None, int, Sequence[tuple[Panel, int]]]]) -> d.Dashboard:
    """Put panels on the grid: per line a heading (or None), a height, and panels with their widths (24 in all)."""
    number, y = 1, 0
    for heading, height, panels in layout:
        if heading is not None:
            dashboard.with_row(d.Row(heading).id(number).grid_pos(m.GridPos(h=1, w=24, x=0, y=y)))
            number, y = number + 1, y + 1
        x = 0
        for panel, width in panels:
            dashboard.with_panel(panel.id(number).grid_pos(m.GridPos(h=height, w=width, x=x, y=y)))
            number, x = number + 1, x + width
        if x > 24:
            raise ValueError(f"{heading}: {x} columns")
        y += height
    return dashboard


def datasource_variable() -> d.DatasourceVariable:
    return d.DatasourceVariable("datasource").label("Data source").type("prometheus")


def variable(name: str, label: str, description: str, of: str, *, many: bool = True) -> d.QueryVariable:
    """A variable from the values of a label; `of` selects the series."""
    built = d.QueryVariable(name).label(label).description(description).datasource(SOURCE)
    built.query({"query": f"label_values({of}, {name})", "refId": f"variable-{name}"})
    built.refresh(m.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(m.VariableSort.NATURAL_ASC)
    if many:
        built.multi(True).include_all(True).all_value(".+")
        built.current(m.VariableOption(selected=True, text=["All"], value=["$__all"]))
    return built


def annotation(name: str, expr: str, title: str, colour: str) -> d.AnnotationQuery:
    """Marks from a query: consecutive points that are true become a region."""
    built = d.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(colour)
    built.expr(" ".join(expr.split()))
    return Annotation(built, title)


class Annotation(d.AnnotationQuery):
    """An annotation with the fields of the Prometheus data source, which the SDK's model does not have."""

    def __init__(self, built: d.AnnotationQuery, title: str) -> None:
        super().__init__()
        self._internal = PrometheusAnnotation(built.build(), title)


class PrometheusAnnotation(m.AnnotationQuery):
    """`titleFormat` and `step` beside the model's own fields."""

    def __init__(self, base: m.AnnotationQuery, title: str) -> None:
        super().__init__(**vars(base))
        self.title_format = title

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "titleFormat": self.title_format, "step": "15s", "useValueForTime": False}
