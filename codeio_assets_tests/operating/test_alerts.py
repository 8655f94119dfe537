"""What failed is posted to a receiver once, without secrets; a receiver that misbehaves breaks nothing."""

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import dagster as dg
import pytest

from codeio_assets.defs.alerts import failed_checks, failed_runs
from codeio_assets.graph import metadata as keys
from codeio_assets.operating.alerts import TOLD_PER_LOOK, payload_of
from codeio_assets.operating.webhook import VARIABLE, post, without_secrets
from codeio_assets_tests.operating.receiver import KEY, Receiver, receiving

SENSORS = {"runs": failed_runs, "checks": failed_checks}


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["mine-0000", "mine-0001"]))
def good(context: dg.AssetExecutionContext) -> None:
    if context.partition_key == "mine-0001":
        raise RuntimeError(f"the server refused the key {KEY}\nsecond line")


@dg.asset_check(asset=good)
def pairs_are_distinct() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, metadata={keys.FAILING_ROWS: 3})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def look(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None) -> str | None:
    """Evaluate a sensor once and return its new cursor."""
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        result = sensor.evaluate_tick(context)
    assert not result.run_requests
    return result.cursor


def make(instance: dg.DagsterInstance, partition: str) -> dg.ExecuteInProcessResult:
    return dg.materialize([good, pairs_are_distinct], instance=instance, partition_key=partition, raise_on_error=False)


@pytest.mark.parametrize(
    ("name", "partition", "expected"),
    [
        ("runs", "mine-0000", None),
        ("runs", "mine-0001", {"step": "good", "error": "RuntimeError: the server refused the key [hidden]"}),
        ("checks", "mine-0000", {"asset": "good", "check": "pairs_are_distinct", "failing_rows": 3}),
        ("checks", "mine-0001", None),
    ],
)
def test_what_failed_is_told_once(
    name: str,
    partition: str,
    expected: dict[str, Any] | None,
    receiver: Receiver,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, receiver.url)
    monkeypatch.setenv("CODEIO_API_KEY", KEY)
    make(instance, partition)  # before the sensor's first look: not told
    cursor = look(SENSORS[name], instance, None)
    assert receiver.got == []
    run = make(instance, partition)
    cursor = look(SENSORS[name], instance, cursor)
    instance.add_run_tags(run.run_id, {"touched": "again"})
    look(SENSORS[name], instance, cursor)
    if expected is None:
        assert receiver.got == []
        return
    (message,) = receiver.got
    (failure,) = message["failures"]
    assert failure.items() >= {"run_id": run.run_id, "partition": partition, **expected}.items()
    assert partition in message["text"]
    assert message["count"] == 1
    assert KEY not in json.dumps(message)


def test_nothing_is_sent_when_the_variable_is_not_set(
    receiver: Receiver, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    make(instance, "mine-0001")
    for sensor in SENSORS.values():
        assert look(sensor, instance, None) is None
    assert receiver.got == []


def drip(handler: BaseHTTPRequestHandler) -> None:
    for _ in range(60):
        time.sleep(0.05)
        handler.wfile.write(b"H")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda handler: handler.send_response(500), "the receiver answered 500"),
        (lambda handler: handler.wfile.write(b"no HTTP\r\n\r\n"), "BadStatusLine"),
        (drip, "no answer within 0.5 s"),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_receiver_that_misbehaves_is_told_in_words(
    receiver: Receiver, answer: Callable[[BaseHTTPRequestHandler], None], told: str
) -> None:
    receiver.answer = answer
    assert post(receiver.url, {}, timeout_s=0.5) == told


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/hook", "file:///etc/passwd", "nonsense", "http://[bad/"])
def test_a_broken_receiver_does_not_break_the_sensor(
    url: str, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, url)
    cursor = look(failed_runs, instance, None)
    make(instance, "mine-0001")
    after = look(failed_runs, instance, cursor)
    assert after != cursor, "what could not be told is not told later: the next look is about what is new"


def test_many_failures_are_one_message() -> None:
    failures = [{"run_id": f"{number:08}", "job": "data", "partition": f"mine-{number:04}"} for number in range(2_000)]
    message = payload_of("failed runs", failures)  # pyright: ignore[reportArgumentType]
    assert message["count"] == 2_000
    assert len(message["failures"]) == TOLD_PER_LOOK  # pyright: ignore[reportArgumentType]
    assert str(message["text"]).endswith("and 1980 more")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key {KEY}!", "key [hidden]!"),
        ("postgres://me:word@host/db", "postgres://[hidden]@host/db"),
        ("plain text at 10:30", "plain text at 10:30"),
    ],
)
def test_secrets_are_hidden(text: str, shown: str) -> None:
    assert without_secrets(text, {"SOME_API_KEY": KEY, "HOME": "plain"}) == shown
