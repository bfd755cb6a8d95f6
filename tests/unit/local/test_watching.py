"""The local cloud's figures: counted from log lines, told to Prometheus, on one screen, and asked for by Grafana."""

import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from local import metrics, status
from local.endpoints import Endpoints
from local.processes import ProblemError
from local.template import ROOT
from local.watching import METRICS, Samples, Watch, exposition, metric

NOWHERE = Endpoints("http://127.0.0.1:1/_aws/x", "ws://127.0.0.1:1/ws", "http://127.0.0.1:1/health")
FOLDED = {
    "message": "folded",
    "sequences": ["1", "2"],
    "age": 250,
    "lag": {"arrived": 20, "folded": 90},
    "TicksFolded": [7.0],
    "ColdStarts": [1.0],
}
ANSWERED = {
    "message": "answered",
    "method": "GET",
    "route": "/prices",
    "status": 503,
    "ms": 12.5,
    "CacheHits": [3.0, 2.0],
}
ROUTE = (("method", "GET"), ("route", "/prices"), ("status", "503"))
PROCESS, QUERIES = (("function", "ProcessTicks"),), (("function", "Queries"),)


@pytest.fixture
def counted() -> Samples:
    """What is counted of some lines."""
    watch = Watch(NOWHERE, 0)
    for function, line in [
        ("ProcessTicks", "START RequestId: 1 Version: $LATEST"),
        ("ProcessTicks", json.dumps(FOLDED)),
        ("ProcessTicks", "REPORT RequestId: 1\tDuration: 17 ms\tBilled Duration: 17 ms\tMemory Size: 512 MB"),
        ("Queries", json.dumps(ANSWERED)),
        ("Queries", json.dumps({name: ANSWERED[name] for name in ANSWERED if name != "route"} | {"status": 404})),
        ("Queries", json.dumps({"level": "ERROR", "message": "failed"})),
        ("Websocket", json.dumps({"message": "answered", "frame": "Ping"})),
    ]:
        watch.count(function, line)
    return watch._told


def test_lines_are_counted(counted: Samples) -> None:
    assert {name: value for name, value in counted.items() if value} == {
        ("ticks_folded_total", ()): 7,
        ("cold_starts_total", ()): 1,
        ("fold_lag_seconds", ()): 0.09,
        ("iterator_age_seconds", PROCESS): 0.25,
        ("invocations_count", PROCESS): 1,
        ("invocations_sum", PROCESS): 0.017,
        ("requests_count", ROUTE): 1,
        ("requests_sum", ROUTE): 0.0125,
        ("requests_count", (("method", "GET"), ("route", ""), ("status", "404"))): 1,
        ("requests_sum", (("method", "GET"), ("route", ""), ("status", "404"))): 0.0125,
        ("cache_requests_total", (("outcome", "hit"),)): 10,
        ("errors_total", QUERIES): 1,
    }


def test_samples_are_told_as_prometheus_reads_them() -> None:
    odd = 'a "b" \\ c'
    samples: Samples = {("requests_sum", ROUTE): 0.25, ("requests_count", ROUTE): 2, ("up", (("part", odd),)): 1}
    assert exposition(samples | {("connections", ()): 0}) == (
        "# HELP cryptopulse_connections WebSocket connections\n"
        "# TYPE cryptopulse_connections gauge\n"
        "cryptopulse_connections 0\n"
        f"# HELP cryptopulse_requests {METRICS['requests'][1]}\n"
        "# TYPE cryptopulse_requests summary\n"
        'cryptopulse_requests_count{method="GET",route="/prices",status="503"} 2\n'
        'cryptopulse_requests_sum{method="GET",route="/prices",status="503"} 0.25\n'
        f"# HELP cryptopulse_up {METRICS['up'][1]}\n"
        "# TYPE cryptopulse_up gauge\n"
        'cryptopulse_up{part="a \\"b\\" \\\\ c"} 1\n'
    )


def test_all_that_is_counted_is_described(counted: Samples) -> None:
    assert {metric(name) for name, _ in counted} <= set(METRICS)
    assert all(name.endswith("_total") == (kind == "counter") for name, (kind, _) in METRICS.items())


def test_grafana_asks_for_what_is_told_and_for_all_of_it() -> None:
    board: dict[str, Any] = json.loads((ROOT / "docs" / "grafana.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    names = {metric(name) for each in asked for name in re.findall(r"cryptopulse_(\w+)", each)}
    assert names == set(METRICS)
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == "${source}"
        for target in panel["targets"]:
            name = metric(re.findall(r"cryptopulse_(\w+)", target["expr"])[0])
            assert ("rate(" in target["expr"] or "increase(" in target["expr"]) == (METRICS[name][0] != "gauge")


# --- make status ---


def shown(samples: Samples) -> tuple[bool, str]:
    written = io.StringIO()
    is_up = status.show(samples, Console(file=written, width=200))
    return is_up, written.getvalue()


@pytest.mark.parametrize("is_up", [True, False])
def test_the_screen_says_what_is_down(counted: Samples, is_up: bool) -> None:
    samples = counted | {
        ("up", (("part", "api"),)): 1.0,
        ("up", (("part", "websocket"),)): float(is_up),
        ("feed_age_seconds", (("venue", "coinbase"),)): 1.5,
        ("queue_messages", (("queue", "Failures"),)): 4,
    }
    told_up, text = shown(samples)
    assert told_up is is_up
    assert ("websocket DOWN" in text) is not is_up
    assert re.search(r"coinbase +1\.5 +–", text)
    assert re.search(r"Failures +4\n", text)
    assert re.search(r"ProcessTicks +1 +0\.017 +– +0\.25", text)
    assert "ticks folded 7 " in text
    assert "requests 2 · 5xx 1" in text


@pytest.mark.parametrize("program", [status, metrics])
def test_where_nothing_runs_it_says_so(
    program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["make", "--home", str(tmp_path)])
    assert program.main() == 1
    assert "make run" in capsys.readouterr().out


def test_a_cloud_that_does_not_answer_is_a_problem() -> None:
    with pytest.raises(ProblemError, match="does not answer"):
        Watch(NOWHERE, 0).look()


# --- make metrics ---


class Told(Watch):
    """A system of which one thing is known, or that does not answer."""

    problem: ProblemError | None = None

    def look(self) -> Samples:
        if self.problem:
            raise self.problem
        return {("connections", ()): 3}


@pytest.fixture
def told() -> Told:
    return Told(NOWHERE, 0)


@pytest.fixture
def scraped(told: Told) -> Iterator[str]:
    with metrics.serve(told, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_prometheus_gets_the_figures_and_503_while_there_are_none(told: Told, scraped: str) -> None:
    answer = httpx.get(f"{scraped}/metrics", trust_env=False)
    assert (answer.status_code, answer.text) == (200, exposition(told.look()))
    assert httpx.get(scraped, trust_env=False).status_code == 404
    told.problem = ProblemError("gone")
    answer = httpx.get(f"{scraped}/metrics", trust_env=False)
    assert (answer.status_code, answer.text) == (503, "gone\n")
