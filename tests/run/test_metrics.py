"""One scrape tells what all processes of a server did."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.corpus import path
from tests.journeys.asking import header, store
from tests.journeys.server import RunningServer, running, wait_for

CT = "generated/ts/ct_evle.dcm"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(server: RunningServer) -> Samples:
    answer = httpx.get(f"{server.root}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


def test_metrics_of_every_process_add_up(tmp_path: Path) -> None:
    """H-27: two web processes and the worker count, whoever is asked tells for all."""
    file = path(CT)
    found = header(file)
    frame = (
        f"/studies/{found.StudyInstanceUID}/series/{found.SeriesInstanceUID}/instances/{found.SOPInstanceUID}/frames/1"
    )
    env = {"DICOMWEB_SERVER_HTTP_WORKERS": "2", "DICOMWEB_SERVER_LOG_REQUESTS": "true"}
    with running(tmp_path / "data", env=env) as server:
        with server.client() as client:
            assert store(client, [file]).status_code == 200
        for _ in range(20):
            answer = httpx.get(f"{server.dicomweb}{frame}", headers={"Accept": "*/*"})
            assert answer.status_code == 200
        assert httpx.get(f"{server.dicomweb}/studies/1.2.3/metadata").status_code == 404
        wait_for(lambda: value(scraped(server), "dicomweb_instances", state="ready") == 1, "the worker")
        samples = scraped(server)
        log = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]

    assert value(samples, "dicomweb_requests_total", transaction="wado.frames", status="200") == 20
    assert value(samples, "dicomweb_requests_total", transaction="wado.metadata", status="404") == 1
    assert value(samples, "dicomweb_first_byte_seconds_count", transaction="wado.frames") == 20
    assert value(samples, "dicomweb_sent_bytes_total", transaction="wado.frames") > 20 * 1000
    assert value(samples, "dicomweb_received_instances_total", door="stow", fate="stored") == 1
    assert value(samples, "dicomweb_received_bytes_total", door="stow") == file.stat().st_size
    assert value(samples, "dicomweb_cache_lookups_total", result="hit") >= 20
    assert value(samples, "dicomweb_tickets_total", kind="preprocess", outcome="done") >= 1
    assert value(samples, "dicomweb_queue_tickets", state="dead", band="") == 0
    assert value(samples, "dicomweb_disk_free_bytes", folder="data") > 0

    asked = [line for line in log if line["logger"] == "dicomweb_server.requests"]
    frames = [line for line in asked if line["transaction"] == "wado.frames"]
    assert len(frames) == 20
    assert len({line["request"] for line in frames}) == 20
    assert found.StudyInstanceUID not in json.dumps(frames), "no path in the log"
