"""The API, asked over a real connection: what it answers, what it refuses, and that it goes on answering."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gatecast
from gatecast import lab
from gatecast.errors import OutputError
from gatecast.guard import Door
from gatecast.jobs import Jobs
from gatecast.lab_questions import QUESTIONS, SECONDS, USUAL
from gatecast.limits import Limits, Refusal
from gatecast.sources import DATASETS
from gatecast.tables import table_as
from gatecast.uploads import Uploads
from gatecast.workers import Pool
from helpers_server import raw, served

SALES = "day,sales,price\n" + "\n".join(f"2024-01-{day:02d},{100 + day % 7},{day}" for day in range(1, 32)) + "\n"
WAVE = [float(value) for value in np.round(np.sin(np.arange(200) / 5), 6)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("data"), Limits(rows=20_000)) as running:
        yield running


def refused(response, status, code):
    """The message of a typed refusal."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert (error["code"], error["status"]) == (code, status)
    return error["message"]


def events_of(server, identity):
    """All events of a training, as kind and content."""
    found = []
    with server.client.stream("GET", f"/v1/models/{identity}/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                found.append([line[7:]])
            elif line.startswith("data: "):
                found[-1].append(json.loads(line[6:]))
    return [tuple(each) for each in found]


def until_answered(server):
    """Ask for a small forecast until it comes; a busy machine takes seconds to start a worker."""
    deadline = time.monotonic() + 60
    while server.ask("/v1/forecast", values=[1, 2, 3], horizon=1).status_code != 200:
        assert time.monotonic() < deadline


def rows_of(csv):
    head, *rows = csv.strip().split("\n")
    return [dict(zip(head.split(","), row.split(","), strict=True)) for row in rows]


# ------------------------------------------------------------------------------------ one call, one answer


def test_a_forecast_is_that_of_the_library(server):
    made = server.ask("/v1/forecast", dataset="nile", horizon=3, level=[80]).json()
    assert made["model"] == "ZeroShot" and made["rows"] == json.loads(
        table_as(gatecast.forecast("nile", 3, level=[80]), "json")
    )


def test_values_columns_csv_and_upload_are_the_same_table(server):
    days = [f"2024-01-{day:02d}" for day in range(1, 32)]
    sales = [100 + day % 7 for day in range(1, 32)]
    buffer = io.BytesIO()
    pq.write_table(pa.table({"day": days, "sales": sales}), buffer)
    kept = server.client.post("/v1/uploads", content=buffer.getvalue()).json()
    assert kept["rows"] == 31 and kept["columns"] == ["day", "sales"]
    ways = [
        {"csv": SALES, "target": "sales"},
        {"columns": {"day": days, "sales": sales}},
        {"upload": kept["id"]},
    ]
    made = [server.ask("/v1/forecast", horizon=2, **way).json()["rows"] for way in ways]
    assert made[0] == made[1] == made[2] and made[0][0]["ds"] == "2024-02-01"
    plain = server.ask("/v1/forecast", horizon=2, values=sales).json()["rows"]
    assert [row["ds"] for row in plain] == [31, 32]


def test_a_missing_value_is_null_and_an_answer_that_is_not_finite_is_null_too(server):
    made = server.ask("/v1/forecast", values=[1.0, None, 2.0, None, 3.0, 4.0], horizon=2)
    assert made.status_code == 200 and np.isfinite(made.json()["rows"][0]["ZeroShot"])
    text, kind = b'{"values":[1,NaN],"horizon":1}', {"content-type": "application/json"}
    assert "values" in refused(server.client.post("/v1/forecast", content=text, headers=kind), 422, "request")
    assert "application/json" in refused(server.client.post("/v1/forecast", content=text), 415, "wrong_type")


def test_a_check_is_that_of_the_library(server):
    made = server.ask("/v1/check", dataset="co2").json()
    assert made == json.loads(json.dumps(gatecast.check("co2").as_dict()))
    found = server.ask("/v1/check", csv="day,y\n2024-01-01,1\n2024-01-01,2\n2024-01-03,x\n").json()
    assert not found["ok"] and {each["severity"] for each in found["findings"]} >= {"error"}


def test_a_preview_has_the_newest_values_of_the_series_that_is_named(server):
    columns = {"unique_id": ["a"] * 3 + ["b"] * 3, "ds": [1, 2, 3, 1, 2, 3], "y": [1, 2, 3, 4, 5, None]}
    first = server.ask("/v1/series", columns=columns, points=2).json()
    assert (first["unique_id"], first["ids"], first["ds"], first["y"]) == ("a", ["a", "b"], [2, 3], [2.0, 3.0])
    second = server.ask("/v1/series", columns=columns, unique_id="b").json()
    assert second["y"] == [4.0, 5.0, None]
    assert "no series 'c'" in refused(server.ask("/v1/series", columns=columns, unique_id="c"), 422, "settings")


def test_the_bundled_sets_are_listed_and_ping_answers(server):
    assert {each["name"] for each in server.client.get("/v1/datasets").json()} >= {"sine", "nile", "sp500"}
    assert server.client.get("/ping").json() == {"status": "ok"}


def test_invocations_takes_a_csv_and_gives_one_and_takes_json(server):
    answer = server.client.post("/invocations?horizon=2", content=SALES, headers={"content-type": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    made = server.ask("/invocations", csv=SALES, horizon=2).json()["rows"]
    assert [row["ds"] for row in rows_of(answer.text)] == [row["ds"] for row in made] == ["2024-02-01", "2024-02-02"]
    wrong = server.client.post("/invocations", content=b"x", headers={"content-type": "image/png"})
    assert "image/png" in refused(wrong, 415, "wrong_type")


def test_counts_are_there_for_prometheus_by_route_and_never_by_what_was_asked(server):
    server.client.get("/v1/streams/0123456789abcdef")
    server.client.get("/nothing/of/the/kind")
    text = server.client.get("/metrics").text
    assert 'gatecast_requests_total{method="GET",route="/v1/streams/{identity}",status="404"}' in text
    assert "0123456789abcdef" not in text and "/nothing" not in text
    for name in ("gatecast_pending", "gatecast_trainings", "gatecast_streams", "gatecast_request_seconds_bucket"):
        assert name in text


def test_the_document_names_every_route_and_503_says_when_to_come_again(server):
    document = server.client.get("/openapi.json").json()
    assert set(document["paths"]) >= {"/v1/forecast", "/v1/backtest", "/v1/check", "/v1/models", "/v1/streams"} | {
        "/ping",
        "/invocations",
        "/metrics",
    }
    answers = [
        answer for path in document["paths"].values() for each in path.values() for answer in each["responses"].items()
    ]
    assert all("Retry-After" in answer["headers"] for status, answer in answers if status == "503")
    assert not {status for status, _ in answers if status.startswith("5")} - {"503"}


# --------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "words"),
    [
        ("/v1/forecast", {"dataset": "sinus", "horizon": 1}, 422, "settings", "Did you mean 'sine'"),
        ("/v1/forecast", {"dataset": "/etc/passwd", "horizon": 1}, 422, "settings", "unknown data set"),
        ("/v1/forecast", {"dataset": "nile", "horizon": 0}, 422, "request", "horizon = 0"),
        ("/v1/forecast", {"dataset": "nile", "horizon": 2000}, 413, "too_large", "at most 1,000"),
        ("/v1/forecast", {"dataset": "nile", "horizon": 1, "level": [81]}, 422, "request", "level 81 is not offered"),
        ("/v1/forecast", {"dataset": "nile", "hoizon": 1, "horizon": 1}, 422, "request", "hoizon"),
        ("/v1/forecast", {"horizon": 1}, 422, "request", "found none"),
        ("/v1/forecast", {"dataset": "nile", "values": [1], "horizon": 1}, 422, "request", "dataset and values"),
        ("/v1/forecast", {"values": [], "horizon": 1}, 422, "data", "at least one"),
        ("/v1/forecast", {"columns": {"a": [1], "b": [1, 2]}, "horizon": 1}, 422, "data", "one length"),
        ("/v1/forecast", {"csv": "day,y\n2024-01-01,1\n2024-01-02,x\n", "horizon": 1}, 422, "data", "row"),
        ("/v1/forecast", {"dataset": "nile", "horizon": 1, "model": "0" * 16}, 404, "not_found", "no model"),
        ("/v1/forecast", {"dataset": "nile", "horizon": 1, "model": "../../x"}, 422, "request", "model"),
        ("/v1/forecast", {"upload": "0" * 16, "horizon": 1}, 404, "not_found", "send the file again"),
        ("/v1/check", {"values": list(range(20_001))}, 413, "too_large", "at most 20,000"),
        ("/v1/check", {"dataset": "nile", "fix": ["nonsense"]}, 422, "settings", "nonsense"),
        ("/v1/models", {"dataset": "nile", "horizon": 10, "scaling": "other"}, 422, "request", "scaling"),
        ("/v1/streams", {"values": [0.0] * 5001}, 413, "too_large", "at most 5,000"),
    ],
)
def test_what_cannot_work_is_refused_in_words_with_a_code(server, path, body, status, code, words):
    assert words in refused(server.ask(path, **body), status, code)


def test_there_is_no_other_page_and_no_other_method(server):
    refused(server.client.get("/docs"), 404, "not_found")
    refused(server.client.put("/v1/forecast"), 405, "wrong_method")
    for path in ("/web/..%2Fserver.py", "/web/report.html", "/v1/models/..%2F..%2Fx/files/config.toml"):
        assert server.client.get(path).status_code in (404, 422)


def test_a_path_cannot_leave_the_folders(server):
    for path in (b"/web/../../../../etc/passwd", b"/v1/models/../../../etc/passwd", b"//etc/passwd"):
        host = server.url.removeprefix("http://").encode()
        answer = raw(server.url, b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        assert b" 404 " in answer.split(b"\r\n")[0] and b"root:" not in answer


def test_packed_files_are_not_unpacked_and_damaged_ones_are_named(server):
    packed = server.client.post(
        "/v1/uploads", content=b"\x1f\x8b\x08\x00" + bytes(50), headers={"x-filename": "a.csv.gz"}
    )
    assert "a.csv.gz is packed" in refused(packed, 415, "wrong_type")
    damaged = server.client.post("/v1/uploads", content=b"PAR1" + bytes(100), headers={"x-filename": "a.parquet"})
    assert "a.parquet" in refused(damaged, 422, "data")


def test_a_large_body_is_refused_before_it_is_read_and_while_it_comes(tmp_path):
    with served(tmp_path, Limits(bytes=1_000)) as server:
        assert "1,000 bytes" in refused(server.client.post("/v1/uploads", content=b"x" * 1_001), 413, "too_large")
        parts = server.client.post("/v1/uploads", content=(b"x" * 100 for _ in range(20)))
        refused(parts, 413, "too_large")


def test_uploads_lie_in_the_data_folder_under_names_of_the_server_and_the_newest_stay(tmp_path):
    with served(tmp_path / "data", Limits(uploads=2)) as server:
        names = ["..%2F..%2Fevil.csv", "%2Fetc%2Fpasswd", "a%00b.csv"]
        kept = [
            server.client.post("/v1/uploads", content=SALES.encode(), headers={"x-filename": name}).json()
            for name in names
        ]
        assert [each["name"] for each in kept] == ["evil.csv", "passwd", "ab.csv"]
        assert {path.name for path in (tmp_path / "data" / "uploads").iterdir()} == {each["id"] for each in kept[1:]}
        assert [path.name for path in tmp_path.iterdir()] == ["data"]
        assert "send the file again" in refused(server.ask("/v1/check", upload=kept[0]["id"]), 404, "not_found")
        assert server.client.delete(f"/v1/uploads/{kept[1]['id']}").status_code == 204
        refused(server.client.delete(f"/v1/uploads/{kept[1]['id']}"), 404, "not_found")


def test_an_upload_that_a_full_disk_cuts_short_leaves_nothing_and_one_that_was_spoilt_is_unknown(tmp_path, monkeypatch):
    uploads = Uploads(tmp_path, 3)
    kept = uploads.keep(b"y", "sales.csv", {})
    (tmp_path / kept["id"] / "about.json").write_bytes(b"{")
    with pytest.raises(Refusal, match="send the file again"):
        uploads.read(kept["id"])

    def full(path, content):
        if path.name == "about.json":
            raise OutputError("no space left")
        path.write_bytes(content)

    monkeypatch.setattr("gatecast.uploads.write_atomically", full)
    with pytest.raises(OutputError, match="no space left"):
        uploads.keep(b"x" * 1_000, "sales.csv", {})
    assert [path.name for path in tmp_path.iterdir()] == [kept["id"]]


def test_a_worker_loads_nothing_from_the_folder_that_the_server_was_started_in(tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise SystemExit('loaded from the working folder')")
    monkeypatch.chdir(tmp_path)
    pool = Pool(1, 1, 60, "gatecast.tasks_light:ready")
    try:
        assert len(pool.submit("gatecast.tasks_light:datasets", {}).result(120)) == len(DATASETS)
    finally:
        pool.close()


@pytest.mark.slow
def test_what_takes_too_long_is_stopped_and_the_next_request_is_answered(tmp_path):
    many = {"unique_id": [str(k % 2000) for k in range(20_000)], "ds": [k // 2000 for k in range(20_000)]}
    with served(tmp_path, Limits(seconds=1.5)) as server:
        until_answered(server)  # the worker is up
        slow = server.ask("/v1/forecast", columns=many | {"y": WAVE * 100}, horizon=500)
        assert "longer than the" in refused(slow, 422, "took_too_long")
        until_answered(server)


def test_a_full_queue_answers_503_with_a_time_to_come_again_and_ping_still_answers(tmp_path):
    with served(tmp_path, Limits(queue=1)) as server:
        server.ask("/v1/forecast", values=WAVE, horizon=1)

        def ask(_):
            return httpx.post(f"{server.url}/v1/forecast", json={"values": WAVE * 5, "horizon": 150}, timeout=60)

        with ThreadPoolExecutor(8) as threads:
            waiting = threads.map(ask, range(8))
            assert server.client.get("/ping").status_code == 200
            answers = list(waiting)
        assert {answer.status_code for answer in answers} == {200, 503}
        for answer in answers:
            if answer.status_code == 503:
                refused(answer, 503, "busy")
                assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_a_worker_that_dies_is_replaced(server):
    pool = server.house.light
    assert server.ask("/v1/forecast", values=[1, 2, 3], horizon=1).status_code == 200  # it lives
    pool._all[0]._process.kill()
    answers = [server.ask("/v1/forecast", values=[1, 2, 3], horizon=1) for _ in range(2)]
    assert answers[-1].status_code == 200 and all(answer.status_code in (200, 422) for answer in answers)


# ------------------------------------------------------------------------------------------------------- streams


def test_a_stream_says_what_the_library_says_one_value_at_a_time(server):
    made = server.ask("/v1/streams", values=WAVE[:50], season_length=[31]).json()
    path = f"/v1/streams/{made['id']}"
    for value in WAVE[50:60]:
        flow = server.ask(path, values=[value], horizon=2, level=[90]).json()
    assert flow["steps"] == 60 and list(flow["rows"][0]) == ["step", "ZeroShot", "ZeroShot-lo-90", "ZeroShot-hi-90"]
    other = server.ask("/v1/streams", values=WAVE[:60], season_length=[31]).json()
    again = server.client.get(f"/v1/streams/{other['id']}", params={"horizon": 2, "level": 90}).json()
    assert again["rows"] == flow["rows"]
    assert server.client.delete(path).status_code == 204
    refused(server.client.get(path), 404, "not_found")


def test_a_stream_refuses_a_number_that_cannot_be_reckoned_with_and_reads_nothing_of_it(server):
    words = "value 2 of 3 is -1.79769e+308, and numbers are reckoned with up to 1e+100"
    assert words in refused(server.ask("/v1/streams", values=[1e308 / 1e300, -1.7976931348623157e308, 2]), 422, "data")
    made = server.ask("/v1/streams", values=[1.0, 2.0]).json()
    refused(server.ask(f"/v1/streams/{made['id']}", values=[3.0, 1e200]), 422, "data")
    assert server.client.get(f"/v1/streams/{made['id']}").json()["steps"] == 2


def test_a_stream_without_a_value_says_so(server):
    made = server.ask("/v1/streams", values=[None]).json()
    assert "no value yet" in refused(server.client.get(f"/v1/streams/{made['id']}?horizon=1"), 422, "data")
    asked = f"/v1/streams/{made['id']}"
    assert "no value yet" in refused(server.ask(asked, values=[None, None], horizon=1), 422, "data")
    assert server.client.get(asked).json()["steps"] == 1  # what is refused is not read
    assert server.ask(asked, values=[None, 5.0], horizon=2).json()["steps"] == 3


def test_streams_are_bounded_and_the_one_unused_for_longest_is_evicted_with_words(tmp_path):
    with served(tmp_path, Limits(streams=2)) as server:
        first, second = (server.ask("/v1/streams", values=[1.0]).json()["id"] for _ in range(2))
        server.client.get(f"/v1/streams/{first}")
        server.ask("/v1/streams", values=[1.0])
        assert server.client.get(f"/v1/streams/{first}").status_code == 200
        message = refused(server.client.get(f"/v1/streams/{second}"), 410, "evicted")
        assert "2 are kept" in message and "create it again" in message
        assert "gatecast_streams_evicted 1.0" in server.client.get("/metrics").text


# -------------------------------------------------------------------------------------------------------- models


@pytest.fixture(scope="module")
def trained(server):
    """A finished training of an upload, and the events on the way."""
    rng = np.random.default_rng(1)
    text = "k,load\n" + "\n".join(f"{k},{value}" for k, value in enumerate(np.round(rng.normal(size=120), 4)))
    kept = server.client.post("/v1/uploads", content=text.encode(), headers={"x-filename": "load <b>.csv"}).json()
    job = server.ask("/v1/models", upload=kept["id"], horizon=4, updates=10, units=4)
    assert job.status_code == 202 and job.json()["state"] in ("queued", "running")
    assert server.client.get("/ping", timeout=5).status_code == 200
    early = server.client.get(f"/v1/models/{job.json()['id']}/files/report.html")
    refused(early, 409, "not_ready")
    return job.json()["id"], kept["id"], events_of(server, job.json()["id"])


def test_a_training_is_watched_from_the_first_update_to_the_end(server, trained):
    identity, _, events = trained
    kinds = [kind for kind, _ in events]
    assert kinds[0] == "state" and kinds[-1] == "state"
    assert events[-1][1] == {
        "state": "done",
        "error": None,
        "sentence": server.client.get(f"/v1/models/{identity}").json()["sentence"],
    }
    updates = [content["update"] for kind, content in events if kind == "progress"]
    assert updates[-1] == 10 and updates == sorted(updates)
    looks = [content for kind, content in events if kind == "look"]
    assert len(looks) >= 2 and looks[0]["median"] != looks[-1]["median"]
    assert len(looks[0]["median"]) == len(looks[0]["lo-80"]) == len(looks[0]["ds"]) == 4
    stages = [content["stage"] for kind, content in events if kind == "stage"]
    assert stages == ["reading", "training", "judging", "writing"]


def test_events_can_be_taken_up_again_where_they_broke_off(server, trained):
    identity, _, events = trained
    path = f"/v1/models/{identity}/events"
    rest = server.client.get(path, headers={"last-event-id": str(len(events) - 2)}).text
    assert rest.count("event: ") == 1 and f"id: {len(events) - 1}\n" in rest


def test_a_finished_model_is_listed_has_its_files_and_forecasts(server, trained):
    identity, upload, _ = trained
    listed = server.client.get("/v1/models").json()[0]
    assert listed["id"] == identity and listed["state"] == "done" and listed["sentence"].startswith("On ")
    files = {name: server.client.get(f"/v1/models/{identity}/files/{name}") for name in listed["files"]}
    assert set(files) >= {"report.html", "forecasts.csv", "model.safetensors", "result.json", "charts.json"}
    assert all(answer.status_code == 200 for answer in files.values())
    assert "sandbox allow-scripts" in files["report.html"].headers["content-security-policy"]
    assert "load-b-.csv" not in files["forecasts.csv"].headers["content-disposition"]
    assert "load-b--forecasts.csv" in files["forecasts.csv"].headers["content-disposition"]
    assert rows_of(files["forecasts.csv"].text)[0]["mode"] == "point_by_point"
    result, charts = files["result.json"].json(), files["charts.json"].json()
    assert result["verdict"]["sentence"] == listed["sentence"]
    assert {"LSTM", "LastValue", "ZeroShot"} <= set(charts["modes"]["multi_sequence"]["models"])
    for mode in charts["modes"].values():
        assert len(mode["ds"]) == len(mode["y"]) == len(mode["models"]["LSTM"]) == len(mode["models"]["LastValue"])
    made = server.ask("/v1/forecast", upload=upload, horizon=2, model=identity).json()
    assert made["model"] == "LSTM" and made["rows"][0]["LSTM-lo-80"] < made["rows"][0]["LSTM"]
    refused(server.client.get(f"/v1/models/{identity}/files/job.json"), 404, "not_found")


def test_a_trained_model_streams(server, trained):
    identity, _, _ = trained
    flow = server.ask("/v1/streams", model=identity, values=WAVE[:20]).json()
    assert flow["model"] == "LSTM"
    assert "leave it out" in refused(
        server.ask("/v1/streams", model=identity, season_length=[2], values=[]), 422, "settings"
    )


@pytest.mark.slow
def test_ping_forecasts_and_refusals_go_on_while_a_training_runs_and_cancelling_ends_it(server):
    job = server.ask("/v1/models", dataset="sine", updates=10_000, units=64).json()
    path = f"/v1/models/{job['id']}"
    deadline = time.monotonic() + 60
    while server.client.get(path).json()["update"] < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert server.client.get("/ping", timeout=5).status_code == 200
    assert server.ask("/v1/forecast", values=[1, 2, 3], horizon=1).status_code == 200
    queued = server.ask("/v1/models", dataset="sine", updates=10).json()
    assert server.ask(f"/v1/models/{queued['id']}/cancel").json()["state"] == "cancelled"
    process = server.house.jobs.queue.jobs[job["id"]].worker._process
    server.ask(f"{path}/cancel")
    assert events_of(server, job["id"])[-1][1]["state"] == "cancelled"
    assert process.poll() is not None
    assert not [each for each in (server.house.jobs.folder).iterdir() if job["id"] in each.name]
    assert server.client.delete(path).status_code == 204
    refused(server.client.get(path), 404, "not_found")


@pytest.mark.slow
def test_a_training_that_cannot_work_fails_in_the_words_of_the_library(server):
    job = server.ask("/v1/models", values=[1, 2, 3, 4, 5, 6, 7, 8], updates=1).json()
    events = events_of(server, job["id"])
    assert events[-1][1]["state"] == "failed" and events[-1][1]["error"]["code"] in ("data", "settings")
    assert refused(server.client.get(f"/v1/models/{job['id']}/files/report.html"), 409, "not_ready")


@pytest.mark.slow
def test_a_panel_is_trained_too_and_a_backtest_is_that_of_the_library(server):
    columns = {"unique_id": sorted(["a", "b"] * 100), "ds": list(range(100)) * 2, "y": WAVE}
    job = server.ask("/v1/models", columns=columns, horizon=4, updates=5, units=4).json()
    assert events_of(server, job["id"])[-1][1]["state"] == "done"
    state = server.client.get(f"/v1/models/{job['id']}").json()
    assert {"report.html", "forecasts.csv"} <= set(state["files"])
    made = server.ask("/v1/backtest", values=WAVE, models=["AR", "LastValue"], origins=10).json()
    done = gatecast.backtest(np.array(WAVE), ["AR", "LastValue"], origins=10)
    assert made["scores"][0]["model"] == "AR" and len(made["rows"]) == 10
    assert made["rows"][0]["AR"] == pytest.approx(float(done.table()["AR"][0]), rel=1e-6)
    assert "fits" in refused(server.ask("/v1/backtest", values=WAVE, models=["LSTN"]), 422, "settings")


def test_what_is_finished_is_listed_again_and_what_was_half_written_is_swept_away(tmp_path, server, trained):
    identity, _, _ = trained
    shutil.copytree(server.house.jobs.folder / identity, tmp_path / identity)
    (tmp_path / ".0123456789abcdef.x").mkdir()
    (tmp_path / ".0123456789abcdef.x" / "model.safetensors").write_bytes(b"half")
    (tmp_path / "fedcba9876543210").mkdir()
    (tmp_path / "fedcba9876543211").mkdir()
    (tmp_path / "fedcba9876543211" / "job.json").write_text('{"name": "spoilt"')  # by whoever opened it
    again = Jobs(tmp_path, Limits())
    known = server.client.get(f"/v1/models/{identity}").json()
    assert again.states() == [known] and again.path(identity, "report.html").is_file()
    assert not list(tmp_path.glob(".*"))
    again.close()


@pytest.mark.slow
def test_finished_models_survive_kill_9_and_what_was_half_written_is_swept_away(tmp_path, server, trained):
    identity, _, _ = trained
    models = tmp_path / "models"
    models.mkdir()
    shutil.copytree(server.house.jobs.folder / identity, models / identity)
    command = [sys.executable, "-m", "gatecast", "serve", "--port", "0", "--folder", str(tmp_path)]

    def start():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        url = process.stdout.readline().split()[3]
        return process, url

    process, url = start()
    job = httpx.post(f"{url}v1/models", json={"dataset": "sine", "updates": 10_000}).json()
    deadline = time.monotonic() + 60
    while not [path for path in models.iterdir() if path.name.startswith(f".{job['id']}")]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process, url = start()
    try:
        listed = httpx.get(f"{url}v1/models").json()
        assert [model["id"] for model in listed] == [identity]
        assert httpx.get(f"{url}v1/models/{identity}/files/report.html").status_code == 200
        made = httpx.post(f"{url}v1/forecast", json={"values": WAVE, "horizon": 1, "model": identity}, timeout=60)
        assert made.status_code == 200
        assert {path.name for path in models.iterdir()} == {identity}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()


# ------------------------------------------------------------------------------------------------ at the door


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "evil.example"}, "foreign_host"),
        ({"host": "evil.example:8000"}, "foreign_host"),
        ({"host": "127.0.0.1.evil.example"}, "foreign_host"),
        ({"host": "localhost@evil.example"}, "foreign_host"),
        ({"host": "192.168.1.7"}, "foreign_host"),
        ({"host": ""}, "foreign_host"),
        ({"origin": "http://evil.example"}, "foreign_origin"),
        ({"origin": "null"}, "foreign_origin"),
        ({"origin": "http://127.0.0.1:1"}, "foreign_origin"),
        ({"sec-fetch-site": "cross-site"}, "foreign_origin"),
        ({"sec-fetch-site": "same-site"}, "foreign_origin"),
    ],
)
def test_foreign_hosts_and_origins_are_refused(server, headers, code):
    body = json.dumps({"values": [1, 2, 3], "horizon": 1})
    refused(server.client.post("/v1/forecast", content=body, headers=headers), 403, code)


def test_the_server_s_own_page_and_its_names_are_let_in(server):
    body = {"values": [1, 2, 3], "horizon": 1}
    port = server.url.rsplit(":", 1)[1]
    for headers in (
        {"origin": server.url, "sec-fetch-site": "same-origin"},
        {"host": f"localhost:{port}", "origin": f"http://localhost:{port}"},
        {"host": f"[::1]:{port}"},
    ):
        assert server.client.post("/v1/forecast", json=body, headers=headers).status_code == 200


@pytest.mark.parametrize("token", ["a-long-and-random-token", 'signs;too,&#+%3B"=\\/?'])
def test_with_a_token_nothing_but_ping_answers_without_it(token, tmp_path):
    with served(tmp_path, door=Door(token=token)) as server:
        assert server.client.get("/ping").status_code == 200
        for path in ("/", "/v1/models", "/metrics", "/openapi.json", "/?token=wrong"):
            answer = server.client.get(path)
            assert "token" in refused(answer, 401, "token") and answer.headers["www-authenticate"] == "Bearer"
        bearer = {"authorization": f"Bearer {token}"}
        assert server.client.get("/v1/models", headers=bearer).status_code == 200
        assert server.client.get("/v1/models", headers={"authorization": f"Bearer {token}x"}).status_code == 401
        greeted = server.client.get(f"/?token={quote(token, safe='')}")
        assert greeted.status_code == 303 and greeted.headers["location"] == "/"
        assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in greeted.headers["set-cookie"].split(";")}
        assert server.client.get("/v1/models").status_code == 200  # the client keeps cookies


def test_every_answer_tells_a_browser_to_fetch_nothing_from_elsewhere(server):
    for path in ("/", "/web/app.js", "/v1/models", "/nothing", "/ping"):
        headers = server.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers and "server" not in headers


def test_a_body_that_does_not_arrive_is_given_up(tmp_path):
    with served(tmp_path, Limits(body_seconds=0.3)) as server:
        host = server.url.removeprefix("http://")
        answer = raw(server.url, f"POST /v1/check HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert b" 408 " in answer.split(b"\r\n")[0] and b'"too_slow"' in answer


# ----------------------------------------------------------------------------------------------------------- the lab


def lab_events(server, path, until):
    """The events of a job as (kind, content), until one that ``until`` accepts."""
    found = []
    with server.client.stream("GET", path, timeout=300) as answer:
        kind = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((kind, json.loads(line.removeprefix("data: "))))
                if until(*found[-1]):
                    break
    return found


def test_the_lab_asks_what_the_library_asks_and_says_how_long_it_takes(server):
    offered = server.client.get("/v1/lab").json()
    assert [each["name"] for each in offered] == list(QUESTIONS)
    for each in offered:
        asked = QUESTIONS[each["name"]]
        assert (each["title"], each["question"]) == (asked.title, asked.text)
        assert {choice["key"]: choice["text"] for choice in each["choices"]} == asked.choices
        assert each["seconds"] == SECONDS[each["name"]] and each["seeds"] == USUAL


def test_an_experiment_is_measured_in_the_background_and_is_that_of_the_library(server):
    begun = server.ask("/v1/lab", name="gradient", predict="lstm", seeds=4)
    assert begun.status_code == 202, begun.text
    told = begun.json()
    assert told["seconds"] == 2 and told["predicted"] == "lstm" and told["state"] in ("queued", "running")
    path = f"/v1/lab/{told['id']}"
    events = lab_events(server, f"{path}/events", lambda kind, content: content.get("state") == "done")
    assert ("stage", {"stage": "measuring"}) in events
    result = server.client.get(path).json()["result"]
    expected = json.loads(json.dumps(lab.gradient(4, "lstm").as_dict()))
    assert result == {key: value for key, value in expected.items() if key != "charts"}
    page = server.client.get(f"{path}/page")
    assert result["sentence"].split(". ")[0] in page.text and "sandbox" in page.headers["content-security-policy"]
    assert "attachment" in server.client.get(f"{path}/page", params={"download": True}).headers["content-disposition"]
    assert server.client.post(f"{path}/cancel").json()["state"] == "done"  # it has ended, and stays as it is


def test_an_experiment_is_stopped_and_has_no_result(server):
    told = server.ask("/v1/lab", name="ablate", seeds=20).json()
    assert told["seconds"] == 480 and told["predicted"] is None
    path = f"/v1/lab/{told['id']}"
    refused(server.client.get(f"{path}/page"), 409, "not_ready")
    server.client.post(f"{path}/cancel")
    events = lab_events(server, f"{path}/events", lambda kind, content: content.get("state") == "cancelled")
    assert events[0] == ("state", {"state": "queued"})
    assert server.client.get(path).json()["result"] is None


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"name": "gradients"}, "settings", "there is no experiment 'gradients'. Did you mean 'gradient'?"),
        ({"name": "recall", "predict": "none"}, "settings", "the prediction 'none' is none of the choices"),
        ({"name": "recall", "seeds": 3}, "request", "greater than or equal to 4"),
        ({"name": "recall", "seeds": 21}, "request", "less than or equal to 20"),
        ({"name": "recall", "effort": 1}, "request", "effort"),
    ],
)
def test_the_lab_refuses_in_words(server, body, code, words):
    assert words in refused(server.ask("/v1/lab", **body), 422, code)


def test_the_lab_is_bounded_and_forgets_the_oldest(tmp_path):
    with served(tmp_path, Limits(lab_queue=0, lab_runs=1)) as server:
        first = server.ask("/v1/lab", name="ablate").json()["id"]
        busy = server.ask("/v1/lab", name="gradient")
        assert "1 experiments are before this one" in refused(busy, 503, "busy")
        assert busy.headers["retry-after"] == "2"
        for _ in range(2):  # the oldest of two that have ended makes room
            ended = server.ask("/v1/lab", name="gradient") if _ else None
            identity = ended.json()["id"] if ended else first
            server.client.post(f"/v1/lab/{identity}/cancel")
            path = f"/v1/lab/{identity}/events"
            lab_events(server, path, lambda kind, content: content.get("state") == "cancelled")
        server.ask("/v1/lab", name="ablate")
        assert "the newest are remembered" in refused(server.client.get(f"/v1/lab/{first}"), 404, "not_found")


@pytest.mark.slow
def test_it_ends_with_a_training_and_an_event_stream_open(tmp_path):
    with served(tmp_path) as server:
        job = server.ask("/v1/models", dataset="sine", updates=10_000).json()

        def listen():
            with (
                pytest.raises(httpx.HTTPError),
                httpx.stream("GET", f"{server.url}/v1/models/{job['id']}/events") as answer,
            ):
                for _ in answer.iter_lines():
                    pass
                raise httpx.ReadError("the stream ended in order")

        listener = threading.Thread(target=listen)
        listener.start()
        time.sleep(0.3)
    listener.join(20)
    assert not listener.is_alive()
    assert not server.house.jobs.queue.jobs[job["id"]].worker._process


def test_it_ends_while_a_worker_for_the_next_training_is_loading(tmp_path):
    with served(tmp_path) as server:
        assert "<title>gatecast</title>" in server.client.get("/").text
        spare = server.house.jobs.queue._spare
        assert spare is not None
    assert not spare.alive and server.house.jobs.queue._spare is None
