"""Every metric is declared in metrics.py, explained in docs/metrics.md, named as Prometheus asks, and counted."""

from __future__ import annotations

import ast
import re

import pytest

from opswatch import metrics
from tests.house.project import PACKAGE, ROOT, imports, named, parsed, python_files

PAGE = ROOT / "docs" / "metrics.md"
DECLARED = {metric.name: metric for metric in metrics.declared()}
UNITS = ("_seconds", "_bytes", "_total", "_ratio", "_info")
# Gauges that count things: the thing is the unit.
COUNTS_THINGS = ("_open", "_busy", "_stuck", "_pending", "_paused", "_gap", "_stale", "_unreachable")


def row(metric: metrics.Metric) -> str:
    """The line of the page that a declaration asks for."""
    labels = ", ".join(f"`{label}`" for label in metric.label_names) or "none"
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"


def test_the_page_explains_exactly_what_is_declared():
    written = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `opswatch_")]
    assert written == [row(metric) for metric in metrics.declared()], "docs/metrics.md is drawn from metrics.py"


def test_no_metric_is_declared_elsewhere():
    strays = [
        str(found)
        for path in python_files()
        if path != PACKAGE / "metrics.py"
        for found in imports(path)
        if found.name.split(".")[0] == "prometheus_client"
    ]
    assert not strays, "declare it in opswatch/metrics.py:\n" + "\n".join(strays)


@pytest.mark.parametrize("name", DECLARED)
def test_names_follow_prometheus(name: str):
    metric = DECLARED[name]
    assert re.fullmatch(r"opswatch_[a-z][a-z0-9_]*[a-z0-9]", name)
    assert name.endswith(UNITS + COUNTS_THINGS), "the unit stands last"
    assert (metric.kind == "counter") == name.endswith("_total")
    assert metric.help.endswith(".")
    assert not {"incident", "target", "item", "id", "person"} & set(metric.label_names), "labels must stay few"


def test_every_metric_is_counted_somewhere():
    """A number that nobody sets reads zero for ever, and says that all is well."""
    if not (PACKAGE / "daemon.py").exists():
        pytest.skip("not built yet: opswatch.daemon")
    used = {
        f"opswatch_{node.attr}"
        for path in python_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "metrics"
    }
    counted_here = {"opswatch_build_info", "opswatch_log_lines_lost_total"}
    idle = sorted(set(DECLARED) - used - counted_here)
    assert not idle, f"declared, documented and never counted: {idle}"


@pytest.mark.parametrize("name", DECLARED)
def test_a_metric_is_called_the_same_in_code(name: str):
    assert getattr(metrics, name.removeprefix("opswatch_")) is DECLARED[name]


def test_only_what_is_declared_is_used():
    unknown = [
        f"{named(path)}:{node.lineno} metrics.{node.attr}"
        for path in python_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "metrics"
        if not hasattr(metrics, node.attr)
    ]
    assert not unknown, "\n".join(unknown)


def test_the_page_for_prometheus_holds_them_all():
    page = metrics.text().decode()
    for name, metric in DECLARED.items():
        assert f"# TYPE {name} {metric.kind}" in page
    assert "process_resident_memory_bytes" in page
    assert "text/plain" in metrics.content_type()


def test_a_gauge_forgets_what_left_the_configuration():
    metrics.oncall_gap.replace({"primary": 1, "gone": 1})
    metrics.oncall_gap.replace({"primary": 0})
    page = metrics.text().decode()
    assert 'opswatch_oncall_gap{roster="primary"} 0.0' in page
    assert 'roster="gone"' not in page


def test_a_refresh_that_fails_does_not_take_the_page_with_it(capsys: pytest.CaptureFixture[str]):
    def refresh() -> None:
        raise OSError("the store is gone")

    metrics.before_scrape(refresh)
    try:
        assert b"opswatch_build_info" in metrics.text()
    finally:
        metrics._BEFORE_SCRAPE.remove(refresh)
    assert "the store is gone" in capsys.readouterr().err


def test_what_took_how_long_is_counted():
    with metrics.commit_seconds.time():
        pass
    assert b"opswatch_commit_seconds_count 0.0" not in metrics.text()


def test_a_forgotten_label_is_refused():
    with pytest.raises(ValueError, match="label"):
        metrics.checks_total.labels(check="disk-space")
