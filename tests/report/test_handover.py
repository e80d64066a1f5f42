"""Claims about the report that is handed over: what it tells of a real ledger, in each form, and what it never does."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from tests.lifecycle.lives import HOSTILE, Lives, write_lives
from trimtab.api_report import optimization_report, timeframe_seconds
from trimtab.errors import LedgerError, UsageError
from trimtab.lifecycle.reported import OptimizationReport
from trimtab.model.strategy import Outcome
from trimtab.report.written import ReportFormat, report_bytes, report_format

NOW_NS = 1_790_000_000 * 10**9
DAY_NS = 86_400 * 10**9
GROUPS = {
    "query_performance_improvements": ["average_speedup", "optimization_success_rate", "neural_accuracy"],
    "resource_efficiency_gains": ["cpu_optimization", "memory_efficiency", "io_performance"],
    "temporal_anchoring_metrics": ["anchor_stability", "performance_consistency", "temporal_coherence"],
    "distributed_optimization_results": ["cluster_efficiency", "load_balance_score", "cross_node_performance"],
}
FILES = [form for form in ReportFormat if form is not ReportFormat.PDF]


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    return write_lives(tmp_path / "ledger.db", clock=lambda: NOW_NS - DAY_NS)


def reported(path: Path, timeframe: str = "30d", now_ns: int = NOW_NS) -> OptimizationReport:
    return optimization_report(timeframe=timeframe, ledger_path=path, clock=lambda: now_ns)


def text_of(report: OptimizationReport, form: ReportFormat) -> str:
    return report_bytes(report, form).decode()


class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("form", FILES)
def test_the_same_ledger_at_the_same_moment_gives_the_same_bytes(lives: Lives, form: ReportFormat) -> None:
    assert report_bytes(reported(lives.path), form) == report_bytes(reported(lives.path), form)


def test_it_tells_what_was_kept_refused_tried_and_taken_back(lives: Lives) -> None:
    document = json.loads(text_of(reported(lives.path), ReportFormat.JSON))
    ends = {each["strategy_id"]: each["outcome"] for each in document["changes"]}
    assert ends[lives.kept] == "kept"
    assert ends[lives.reverted] == "reverted"
    assert ends[lives.refused] == "refused"
    refused = next(each for each in document["changes"] if each["strategy_id"] == lives.refused)
    assert refused["verdict"]["rules"][0]["rule_id"] == "indexes.max_per_table"
    kept = next(each for each in document["changes"] if each["strategy_id"] == lives.kept)
    assert kept["trial"]["interval"]["low"] < kept["trial"]["saved"] < kept["trial"]["interval"]["high"]
    assert [each["stands"] for each in kept["changes"]] == [True]


def test_the_analytics_have_the_originals_keys_in_its_order_and_each_figure_its_window_and_source(lives: Lives) -> None:
    document = yaml.safe_load(text_of(reported(lives.path), ReportFormat.YAML))
    analytics = document["optimization_analytics"]
    assert {group: list(figures) for group, figures in analytics.items()} == GROUPS
    assert list(analytics) == list(GROUPS)
    for figure in (figure for figures in analytics.values() for figure in figures.values()):
        assert figure["source"]
        assert figure["window"]["begin"] <= figure["window"]["end"]
        assert (figure["value"] is None) == (figure["shown"] == "not measured") == bool(figure["why"])
    whole = json.loads(text_of(reported(lives.path), ReportFormat.JSON))
    assert whole["optimization_analytics"] == analytics


def test_an_interval_of_several_kept_changes_holds_for_all_together(lives: Lives) -> None:
    one = reported(lives.path).analytics["query_performance_improvements"][0]
    kept = next(each for each in reported(lives.path).changes if each.card.outcome is Outcome.KEPT)
    from trimtab.lifecycle.report_figures import average_speedup

    two = average_speedup(one.window, [kept, replace(kept, card=replace(kept.card, strategy_id="s-other"))])
    assert one.value == two.value
    assert one.low is not None
    assert two.low is not None
    assert two.low < one.low


def test_what_lies_before_the_window_is_not_told(lives: Lives) -> None:
    report = reported(lives.path, "12h")
    assert (report.changes, report.runs, report.looks) == ((), (), ())
    assert report.analytics["query_performance_improvements"][0].value is None
    assert "No change was kept in the window" in text_of(report, ReportFormat.MD)


def test_what_a_clock_wrote_that_was_ahead_is_told_with_a_note(lives: Lives) -> None:
    report = reported(lives.path, now_ns=NOW_NS - DAY_NS - 3 * 3600 * 10**9)
    now = reported(lives.path)
    assert [each.card.strategy_id for each in report.changes] == [each.card.strategy_id for each in now.changes]
    assert (len(report.runs), len(report.looks)) == (len(now.runs), len(now.looks))
    assert [note for note in report.notes if "dated 3 hours later than now" in note]
    assert not [note for note in now.notes if "later than now" in note]
    assert "dated 3 hours later than now" in text_of(report, ReportFormat.MD)


def test_recommendations_come_by_value_and_what_was_not_measured_last(lives: Lives) -> None:
    advised = reported(lives.path).advised
    assert {each.subject for each in advised} == {lives.proven, lives.waiting}
    values = [float("-inf") if each.saved_ms is None else each.saved_ms for each in advised]
    assert values == sorted(values, reverse=True)
    assert f"trimtab approve {lives.waiting}" in {each.how for each in advised}


@pytest.mark.parametrize("form", [ReportFormat.HTML, ReportFormat.COMPREHENSIVE])
def test_the_page_has_no_script_asks_for_nothing_and_its_policy_lets_its_styles_in_alone(
    lives: Lives, form: ReportFormat
) -> None:
    text = text_of(reported(lives.path), form)
    elements = Elements(text).found
    tags = {tag for tag, _ in elements}
    assert tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base"} == set()
    attributes = [(name, value or "") for _, found in elements for name, value in found.items()]
    assert [name for name, _ in attributes if name.startswith("on") or name in ("src", "style", "srcset")] == []
    assert [value for name, value in attributes if name == "href" and not value.startswith("#")] == []
    policy = next(found["content"] for tag, found in elements if tag == "meta" and "http-equiv" in found) or ""
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    for style in styles:
        assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    assert "url(" not in text
    assert "@import" not in text


@pytest.mark.parametrize("form", FILES)
def test_a_hostile_name_is_shown_and_never_obeyed(lives: Lives, form: ReportFormat) -> None:
    text = text_of(reported(lives.path), form)
    assert "\x1b" not in text
    assert "\u202e" not in text
    if form is not ReportFormat.JSON:
        assert "<script>" not in text
    if form is ReportFormat.JSON:
        titles = [each["title"] for each in json.loads(text)["changes"]]
        assert HOSTILE in titles  # whole, for programs: escaped by JSON


def test_markdown_has_as_many_cells_in_each_row_as_its_table_has_columns(lives: Lives) -> None:
    columns = 0
    for line in text_of(reported(lives.path), ReportFormat.MD).splitlines():
        if not line.startswith("|"):
            columns = 0
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        columns = columns or cells
        assert cells == columns, line


def test_without_a_ledger_all_is_told_as_not_measured(tmp_path: Path) -> None:
    report = reported(tmp_path / "ledger.db")
    assert all(figure.value is None for figures in report.analytics.values() for figure in figures)
    assert "There is no ledger here" in text_of(report, ReportFormat.MD)
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_that_was_altered_is_reported_by_nobody(lives: Lives) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(lives.path)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in names:
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute("UPDATE entries SET body = replace(body, '9.5', '8.5')")
        connection.commit()
    with pytest.raises(LedgerError) as refused:
        reported(lives.path)
    assert refused.value.code == "ledger.corrupt"


def test_a_history_that_is_none_is_left_out_and_named(lives: Lives) -> None:
    (lives.path.parent / "history.db").write_bytes(b"not a store at all" * 100)
    report = reported(lives.path)
    assert [note.split(":")[0] for note in report.notes] == ["the history is left out"]
    assert "the history is left out" in text_of(report, ReportFormat.MD)


@pytest.mark.parametrize(
    "text", ["", "0d", "-3h", "30x", "30", "d", "1.5d", "030d", "30d\n", "99999999d", "400000d", "٣d", "3 d"]
)
def test_a_timeframe_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        timeframe_seconds(text)
    assert refused.value.code == "report.timeframe"


def test_timeframes_mean_what_they_say() -> None:
    assert [timeframe_seconds(text) for text in ("90s", "5m", "12h", "30d", "2w")] == [
        90.0, 300.0, 43_200.0, 2_592_000.0, 1_209_600.0,
    ]  # fmt: skip


def test_a_format_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        report_format("docx")
    assert refused.value.code == "report.format"


def test_a_database_that_nobody_knows_is_refused_and_one_of_the_ledger_is_told(lives: Lives) -> None:
    report = optimization_report("shop", ledger_path=lives.path, clock=lambda: NOW_NS)
    assert {each.card.database for each in report.changes} == {"shop"}
    with pytest.raises(UsageError) as refused:
        optimization_report("nobody", ledger_path=lives.path, clock=lambda: NOW_NS)
    assert refused.value.code == "report.unknown"
