"""GET /metrics: who may read it, what it tells, and that the alerts stand on figures that exist."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.test import Client
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from config import machine, scrape
from sandboxes import metrics, provisioning, services, sweep
from sandboxes.backends.base import BackendError, Fault
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox
from tests import make
from tests.sandboxes import driving

DEPLOY = Path(settings.BASE_DIR, "deploy", "prometheus")

Value = Callable[..., float]


def families() -> dict[str, Metric]:
    text = generate_latest(scrape.registry()).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(sample: str, **labels: str) -> float:
    """What is told under this name, 0 when nothing is."""
    for family in families().values():
        for one in family.samples:
            if one.name == sample and labels.items() <= one.labels.items():
                return float(one.value)
    return 0.0


@pytest.fixture
def grown() -> Value:
    """By how much a figure has grown since it was asked for first."""
    before: dict[str, float] = {}

    def since(sample: str, **labels: str) -> float:
        name = f"{sample}{sorted(labels.items())}"
        now = value(sample, **labels)
        return now - before.setdefault(name, now)

    return since


# -- who may read ------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_from_this_machine_anybody_may_read_while_no_token_is_set(client: Client) -> None:
    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")


@pytest.mark.parametrize(
    "how",
    [
        {"REMOTE_ADDR": "203.0.113.9"},
        {"REMOTE_ADDR": "not an address"},
        {"headers": {"X-Forwarded-For": "127.0.0.1"}},
        {"headers": {"X-Real-IP": "127.0.0.1"}},
        {"headers": {"Forwarded": "for=127.0.0.1"}},
    ],
)
def test_from_elsewhere_or_through_a_proxy_nobody_may(client: Client, how: dict[str, Any]) -> None:
    answer = client.get("/metrics", **how)

    assert answer.status_code == 403
    assert b"METRICS_TOKEN" in answer.content
    assert b"millrace_" not in answer.content


def test_behind_a_proxy_for_tls_this_machine_is_no_proof(client: Client, settings: Any) -> None:
    settings.SECURE = True

    assert client.get("/metrics").status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize(("shown", "status"), [("right", 200), ("wrong", 403), ("", 403), ("rightx", 403)])
def test_with_a_token_set_only_the_token_counts(
    client: Client, settings: Any, shown: str, status: int
) -> None:
    settings.METRICS_TOKEN = "right"
    headers = {"Authorization": f"Bearer {shown}"} if shown else {}

    assert client.get("/metrics", headers=headers).status_code == status
    assert client.get("/metrics", headers=headers, REMOTE_ADDR="203.0.113.9").status_code == status


@pytest.mark.django_db
def test_it_needs_no_session_and_few_queries(client: Client, django_assert_max_num_queries: Any) -> None:
    client.force_login(make.admin())
    driving.ready_sandbox(make.student())

    with django_assert_max_num_queries(16) as asked:
        answer = client.get("/metrics")

    assert not [query for query in asked if "session" in query["sql"]]
    assert not answer.cookies


# -- what it tells -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_start_is_counted_and_timed_when_it_is_ready(grown: Value) -> None:
    count = "millrace_sandbox_start_seconds_count"
    grown("millrace_sandbox_starts_total", kind="cold", outcome="ready"), grown(count, kind="cold")

    driving.ready_sandbox(make.student())

    assert grown("millrace_sandbox_starts_total", kind="cold", outcome="ready") == 1
    assert grown(count, kind="cold") == 1
    assert value("millrace_sandboxes", state="ready", frozen="false") == 1


@pytest.mark.django_db(transaction=True)
def test_a_start_that_is_called_off_counts_as_cancelled(grown: Value) -> None:
    grown("millrace_sandbox_starts_total", kind="cold", outcome="cancelled")
    sandbox = services.request_sandbox(make.student())

    services.stop_sandbox(sandbox)

    assert grown("millrace_sandbox_starts_total", kind="cold", outcome="cancelled") == 1


@pytest.mark.django_db(transaction=True)
def test_a_wake_is_a_start_of_its_own_kind(grown: Value) -> None:
    ada = make.student()
    sandbox = driving.ready_sandbox(ada)
    grown("millrace_sandbox_starts_total", kind="wake", outcome="ready")
    services.stop_sandbox(sandbox)
    driving.settle(sandbox)

    services.request_sandbox(ada)
    driving.settle(sandbox)

    assert sandbox.now is State.READY
    assert grown("millrace_sandbox_starts_total", kind="wake", outcome="ready") == 1


@pytest.mark.django_db(transaction=True)
def test_a_failure_is_counted_under_its_cause(grown: Value) -> None:
    sandbox = driving.ready_sandbox(make.student())
    grown("millrace_sandbox_failures_total", cause="broker_down")

    sandbox.move_to(State.FAILED, actor="worker", failure_cause="broker_down")

    assert grown("millrace_sandbox_failures_total", cause="broker_down") == 1


@pytest.mark.django_db(transaction=True)
def test_what_broke_while_it_was_up_is_counted_and_what_was_stopped_on_purpose_is_not(grown: Value) -> None:
    broken, stopped = driving.ready_sandbox(make.student()), driving.ready_sandbox(make.student())
    before = breaks()
    grown("millrace_sandbox_breaks_total", cause="broker_down")
    services.inject_fault(stopped, Fault(kind="broker_stop"), seconds=60)
    driving.settle(stopped)
    provisioning.backend_for(broken).suspend(broken.hex)  # behind the site's back

    driving.settle(broken)

    assert stopped.now is State.DEGRADED
    assert grown("millrace_sandbox_breaks_total", cause="broker_down") == 1
    assert breaks() - before == 1


def breaks() -> float:
    told = chain.from_iterable(family.samples for family in metrics.BREAKS.collect())
    return sum(sample.value for sample in told if sample.name.endswith("_total"))


@pytest.mark.django_db(transaction=True)
def test_what_was_not_committed_is_not_counted(grown: Value) -> None:
    from django.db import transaction

    sandbox = driving.ready_sandbox(make.student())
    grown("millrace_sandbox_failures_total", cause="never")
    with transaction.atomic():
        sandbox.move_to(State.FAILED, actor="worker", failure_cause="never")
        transaction.set_rollback(True)

    assert grown("millrace_sandbox_failures_total", cause="never") == 0


@pytest.mark.django_db
def test_those_who_wait_are_counted_and_the_first_is_timed() -> None:
    services.request_sandbox(make.student())

    assert value("millrace_queue_length") == 1
    assert value("millrace_queue_oldest_seconds") >= 0


@pytest.mark.logs("sweep.orphan")  # the memory backend of this process holds what other tests left there
@pytest.mark.django_db
def test_the_sweep_says_when_it_ended() -> None:
    assert "millrace_sweep_age_seconds" not in families()

    sweep.sweep()

    assert value("millrace_sweep_age_seconds") < 60


@pytest.mark.django_db
def test_a_backend_that_is_away_is_told_and_takes_nothing_else_along(monkeypatch: pytest.MonkeyPatch) -> None:
    class AwayBackend:
        def usage(self) -> None:
            raise BackendError("The sandbox host does not answer.")

    monkeypatch.setattr("sandboxes.provisioning.backend_for", lambda place: AwayBackend())

    found = families()

    assert found["millrace_backend_up"].samples[0].value == 0
    assert "millrace_queue_length" in found


def test_without_a_database_what_was_counted_is_still_told() -> None:
    """This test has no database: pytest-django refuses the connection."""

    def away() -> Iterator[Metric]:
        from django.db import OperationalError

        raise OperationalError("gone")

    asked = scrape._Asked(away)

    assert list(asked.collect()) == []


def test_the_slowest_start_there_may_be_has_a_bucket_of_its_own() -> None:
    from sandboxes import starting, step

    deadlines = [getattr(module, "START_DEADLINE_S", 0.0) for module in (starting, step)]

    assert metrics.START_BUCKETS[-1] > max(deadlines) > 0


@pytest.mark.django_db
def test_a_page_is_counted_under_its_route_and_status(client: Client, grown: Value) -> None:
    page = {"method": "GET", "route": "accounts/login/", "status": "200"}
    grown("millrace_http_requests_total", **page)
    client.get("/accounts/login/?next=/x/")

    assert grown("millrace_http_requests_total", **page) == 1
    assert value("millrace_http_request_seconds_count", route="accounts/login/") >= 1


@pytest.mark.django_db
def test_a_stranger_cannot_make_up_routes_or_methods(client: Client) -> None:
    for path in ("/a/", "/b/", "/c/"):
        client.generic("BREW", path)

    routes = {
        (sample.labels["route"], sample.labels["method"])
        for sample in families()["millrace_http_requests"].samples
        if sample.name.endswith("_total")
    }
    assert ("(none)", "other") in routes
    assert not [route for route, _ in routes if route in {"a/", "b/", "c/"}]


def test_the_processes_of_the_site_are_measured(tmp_path: Path) -> None:
    (tmp_path / "web").write_text(f"{os.getpid()}\n")
    (tmp_path / "worker").write_text("4194305\n")  # above any process id there is

    told = {
        (sample.name, sample.labels["process"]): sample.value
        for metric in machine._processes(tmp_path)
        for sample in metric.samples
    }

    assert told["millrace_process_up", "web"] == 1
    assert told["millrace_process_up", "worker"] == 0
    assert told["millrace_process_resident_bytes", "web"] > 10_000_000
    assert told["millrace_process_cpu_seconds_total", "web"] > 0
    assert ("millrace_process_open_files", "worker") not in told


# -- several processes -------------------------------------------------------------------------------------

COUNTING = """
import sys
from prometheus_client import Counter, Gauge
Counter("tries_total", "Tries.").inc(int(sys.argv[1]))
Gauge("viewers", "Viewers.", multiprocess_mode="livesum").set(int(sys.argv[1]))
"""


def test_the_figures_of_several_processes_are_added_up(tmp_path: Path) -> None:
    for count in ("2", "3"):
        subprocess.run(
            [sys.executable, "-c", COUNTING, count],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            check=True,
        )
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(tmp_path))  # type: ignore[no-untyped-call]

    assert registry.get_sample_value("tries_total") == 5
    assert registry.get_sample_value("viewers") == 5


# -- the alerts --------------------------------------------------------------------------------------------


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def known_names() -> set[str]:
    """Every series that the site can tell, whether or not anything was counted yet."""
    import config.metrics
    import lessons.metrics
    import live.metrics

    names = {sample.name for family in families().values() for sample in family.samples}
    for module in (config.metrics, lessons.metrics, live.metrics, metrics):
        for figure in vars(module).values():
            name, kind = getattr(figure, "_name", ""), getattr(figure, "_type", "")
            if isinstance(name, str) and name.startswith("millrace_"):
                suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
                names |= {f"{name}{suffix}" for suffix in suffixes.get(kind, ("",))}
    return names


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """As on a site that has run for a while: a sweep, a heartbeat, a process."""
    from config import heartbeat

    heartbeat.beat()
    sweep.sweep()
    Sandbox.objects.create(owner=make.student(), cluster=Cluster.objects.create(name="here"))
    (tmp_path / "web").write_text(f"{os.getpid()}\n")
    monkeypatch.setattr(machine._processes, "__defaults__", (tmp_path,))
    return known_names()


@pytest.mark.logs("sweep.orphan")
@pytest.mark.django_db
def test_every_figure_that_an_alert_names_exists(told: set[str]) -> None:
    named = {name for rule in rules() for name in re.findall(r"\bmillrace_\w+", rule["expr"])}

    assert len(named) >= 15
    assert named - told == set()


@pytest.mark.logs("sweep.orphan")
@pytest.mark.django_db
def test_every_figure_is_in_the_operators_page_and_no_other(told: set[str]) -> None:
    page = Path(settings.BASE_DIR, "deploy", "README.md").read_text()
    listed = set(re.findall(r"`(millrace_\w+)`", page))
    suffix = re.compile(r"_(bucket|count|sum|created)$")

    known = {suffix.sub("", name) for name in told if name.startswith("millrace_")}
    assert listed == known - {name.removesuffix("_total") for name in known if name.endswith("_total")}


def test_every_alert_says_what_is_so_and_where_to_look() -> None:
    for rule in rules():
        assert rule["alert"].startswith("Millrace")
        assert rule["annotations"].keys() == {"summary", "look"}
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_the_lines_that_alerts_send_one_to_are_written_somewhere() -> None:
    looks = " ".join(rule["annotations"]["look"] for rule in rules())
    events = {name for name in re.findall(r"\b[a-z_]+\.[a-z_]+\b", looks) if not name.endswith(".log")}
    roots = ("platform", "sandboxes", "lessons")
    code = "".join(file.read_text() for root in roots for file in Path(settings.BASE_DIR, root).rglob("*.py"))

    assert events
    assert [name for name in events if f'"{name}"' not in code] == []


def test_the_labels_that_alerts_ask_for_have_the_values_that_are_counted() -> None:
    outcomes = set(re.findall(r'outcome="(\w+)"', (DEPLOY / "alerts.yml").read_text()))
    kinds = set(re.findall(r'kind!="(\w+)"', (DEPLOY / "alerts.yml").read_text()))

    assert outcomes <= set(metrics.OUTCOMES)
    assert kinds <= set(metrics.KINDS)


def test_the_scrape_configuration_asks_where_the_site_answers() -> None:
    (job,) = yaml.safe_load((DEPLOY / "scrape.yml").read_text())["scrape_configs"]

    assert job["metrics_path"] == "/metrics"
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8000"]}]
