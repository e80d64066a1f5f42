"""The pages of the fleet, one server, its workload, one query and its indexes; and their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.responses import Response

from trimtab import api
from trimtab.errors import TrimtabError, UsageError
from trimtab.history.metrics import METRICS
from trimtab.history.values import QUERY_SORTS, HistoryEvent
from trimtab.lifecycle.kept_advice import SOURCE
from trimtab.report.series_plot import Plot, PlotMark, PlotPoint, in_words, series_plot
from trimtab.web import reading_fleet
from trimtab.web.asked import SECONDS, SERVER, Parameter
from trimtab.web.context import Context
from trimtab.web.pages import picture
from trimtab.web.reading_fleet import QueryWithMarks

WINDOWS = ((900, "15 minutes"), (3600, "1 hour"), (86400, "1 day"), (7 * 86400, "7 days"), (30 * 86400, "30 days"))
FLEET_METRICS = (
    "calls_per_second",
    "mean_execution_ms",
    "active_sessions",
    "waiting_sessions",
    "cache_hit_ratio",
    "replication_lag_seconds",
    "host_cpu_ratio",
)
SERVER_PLOTS = ("calls_per_second", "mean_execution_ms", "active_sessions", "wal_bytes_per_second")
QUERY_SERIES = Parameter("series", "Which series of the query to draw.", otherwise="mean_ms")
_LETTERS = {
    "gap": "B",
    "unreachable": "U",
    "reachable": "U",
    "setting_changed": "S",
    "counters_reset": "Z",
    "statements_gap": "Z",
}
_PLAN = "P"
_MARKS = {"applied": "C", "reverted": "R", "anchored": "N", "alarm": "!", "plan_changed": _PLAN, "plan_back": _PLAN}


def fleet(context: Context) -> Response:
    """All servers. A history that cannot be read is told on the page: the rest of the site works without it."""
    try:
        servers, trouble = reading_fleet.fleet(context.site, context.asked), None
    except TrimtabError as error:
        servers, trouble = [], error
    view = context.site.ledger()
    waiting = [each for each in view.waiting if each.state == "waiting"]
    return context.page(
        "fleet.html",
        title="Fleet",
        section="fleet",
        servers=servers,
        trouble=trouble,
        metrics=[METRICS[name] for name in FLEET_METRICS],
        waiting=waiting,
        standing=sum(card.standing for card in view.cards),
        newest=view.cards[:6],
    )


def server(context: Context) -> Response:
    """One server."""
    found = reading_fleet.server(context.site, context.asked)
    return context.page(
        "server.html",
        title=f"Server {found.health.name}",
        section="fleet",
        found=found,
        kinds=METRICS,
        plots=[METRICS[name] for name in SERVER_PLOTS],
        seconds=context.asked.number(SECONDS),
        windows=WINDOWS,
        events=reading_fleet.events(context.site, context.asked)[:20],
    )


def workload(context: Context) -> Response:
    """The queries of a server; without a name, of the only one, or a choice."""
    if not context.asked.query.get(SERVER.name):
        servers = reading_fleet.fleet(context.site, context.asked)
        return context.page("choose.html", title="Workload", section="workload", servers=servers, target="/workload")
    page = reading_fleet.queries(context.site, context.asked)
    return context.page(
        "workload.html",
        title=f"Workload of {page.server}",
        section="workload",
        page=page,
        sorts=QUERY_SORTS,
        seconds=context.asked.number(SECONDS),
        windows=WINDOWS,
        search=context.asked.text(reading_fleet.SEARCH),
    )


def query(context: Context) -> Response:
    """One query's life."""
    found = reading_fleet.query(context.site, context.asked)
    plot = _query_plot(found, context.asked.text(QUERY_SERIES))
    return context.page(
        "query.html",
        title=f"Query {found.life.totals.query_id}",
        section="workload",
        found=found,
        words=in_words(plot),
        names=list(found.life.series),
        series=context.asked.text(QUERY_SERIES),
        seconds=context.asked.number(SECONDS),
        windows=WINDOWS,
    )


def query_plot(context: Context) -> Response:
    """One series of a query, with its plans, its marks, and what happened to its server."""
    found = reading_fleet.query(context.site, context.asked)
    return picture(series_plot(_query_plot(found, context.asked.text(QUERY_SERIES))))


def server_plot(context: Context) -> Response:
    """One metric of a server over time."""
    series = reading_fleet.series(context.site, context.asked)
    events = reading_fleet.events(context.site, context.asked)
    kind = METRICS[series.name]
    return picture(
        series_plot(
            Plot(
                f"{kind.meaning} ({kind.source})",
                series.unit,
                [PlotPoint(point.at_ns, point.seconds, point.value) for point in series.points],
                _event_marks(events),
                series.window.begin_ns,
                series.window.end_ns,
            )
        )
    )


def indexes(context: Context) -> Response:
    """How the indexes of a server are used, and the advices that are kept: what size buys which cost."""
    advice = reading_fleet.advice(context.site, context.asked)
    servers: Sequence[object] = []
    page = None
    if context.asked.query.get(SERVER.name):
        page = reading_fleet.indexes(context.site, context.asked)
    else:
        servers = reading_fleet.fleet(context.site, context.asked)
    return context.page(
        "indexes.html",
        title="Indexes",
        section="indexes",
        advice=advice,
        advice_source=SOURCE,
        servers=servers,
        page=page,
        sorts=reading_fleet.INDEX_SORTS,
        seconds=context.asked.number(SECONDS),
        windows=WINDOWS,
    )


def frontier_plot(context: Context) -> Response:
    """The frontier of a kept advice: its number counts from the newest."""
    from trimtab.report.frontier_plot import frontier_plot as drawn

    advice = api.kept_advice(ledger_path=context.site.options.ledger_path)
    run = context.asked.text(Parameter("run", "The run of an advice.", is_needed=True))
    found = next((each for each in advice if each.run_id == run), None)
    if found is None:
        raise UsageError(
            "there is no advice of that run", code="web.not_found", next_step="/indexes lists what is kept."
        )
    return picture(drawn(found))


def _query_plot(found: QueryWithMarks, name: str) -> Plot:
    series = found.life.series.get(name)
    if series is None:
        raise UsageError(
            "there is no series of that name",
            code="web.not_found",
            next_step=f"Known are: {', '.join(found.life.series)}.",
        )
    marks = [PlotMark(plan.first_ns, _PLAN, f"plan {plan.shape[:12]} seen first") for plan in found.life.plans]
    marks += [
        PlotMark(each.at_ns, _MARKS[each.kind], f"{each.kind.replace('_', ' ')} {each.strategy_id or each.text}")
        for each in found.marks
    ]
    return Plot(
        f"{name.replace('_', ' ')} of {found.life.totals.query_id} ({series.source})",
        series.unit,
        [PlotPoint(point.at_ns, point.seconds, point.value) for point in series.points],
        [*marks, *_event_marks(found.life.events)],
        series.window.begin_ns,
        series.window.end_ns,
    )


def _event_marks(events: Sequence[HistoryEvent]) -> list[PlotMark]:
    return [
        PlotMark(event.at_ns, _LETTERS[event.kind], f"{event.kind.replace('_', ' ')}{_detail(event.detail)}")
        for event in events
        if event.kind in _LETTERS
    ]


def _detail(detail: Mapping[str, object]) -> str:
    told = [f"{key} {value}" for key, value in detail.items() if isinstance(value, str | int | float)]
    return f": {', '.join(told)}" if told else ""


__all__ = [
    "fleet",
    "frontier_plot",
    "indexes",
    "query",
    "query_plot",
    "server",
    "server_plot",
    "workload",
]
