"""What the graph makes of a training process: plots, observations, failures, GPU requests."""

import base64
import json
from xml.etree import ElementTree

import dagster as dg
import pytest

from codeio_assets.checks.checkpoints import audit_problems
from codeio_assets.core.settings.recipes import AuditLimits
from codeio_assets.graph.gpu import gpu_tags
from codeio_assets.project import Project
from codeio_assets.running.plots import Interval, interval_plot, line_plot
from codeio_assets.running.training import failure_of
from codeio_assets.running.training_progress import line_of, observation_metadata
from codeio_assets.training.contract import Failure

STEP = {
    "kind": "step", "step": 3, "max_steps": 9, "loss": 1.5, "learning_rate": 1e-5, "grad_norm": None,
    "tokens_per_s": 90.5, "memory_bytes": 10**9, "eta_s": 12.0,
}  # fmt: skip


def image(value: dg.MetadataValue) -> ElementTree.Element:
    text = str(value.value)
    return ElementTree.fromstring(base64.b64decode(text.split("base64,")[1].removesuffix(")")))


def test_a_line_plot_is_an_image_with_a_line_per_series() -> None:
    lines = {"training": [(float(step), 3.0 - step) for step in range(20)], "held out": [(0.0, 3.0), (19.0, 2.0)]}
    plot = image(line_plot(lines, "step", "loss & more"))
    tags = [element.tag.rpartition("}")[2] for element in plot.iter()]
    assert (tags.count("polyline"), tags.count("circle")) == (2, 2)
    assert "loss & more" in {element.text for element in plot.iter()}
    assert line_plot({"training": []}, "step", "loss").value == "Nothing to plot."


@pytest.mark.parametrize("values", [[0.0], [1.0, 1.0], [-2.0, 5.0]])
def test_plots_stay_inside_their_image(values: list[float]) -> None:
    flat = [Interval(str(index), "base", value, value, value) for index, value in enumerate(values)]
    for plot in (interval_plot(flat, "share"), line_plot({"a": list(enumerate(values))}, "step", "loss")):
        for circle in (element for element in image(plot).iter() if element.tag.endswith("circle")):
            assert 0 <= float(circle.get("cx", -1)) <= 640
            assert 0 <= float(circle.get("cy", -1)) <= 300


def test_the_text_of_an_interval_plot_tells_the_numbers() -> None:
    value = str(interval_plot([Interval("input", "base", 0.25, 0.1, 0.4)], "share correct").value)
    assert "share correct: base input 0.250 (0.100 to 0.400)" in value


def test_a_step_is_told_in_words() -> None:
    assert (
        line_of({**STEP, "step": 1_200, "max_steps": 9_000}) == "step 1,200/9,000, loss 1.5000, 90 tokens/s, 12 s to go"
    )
    assert line_of({"kind": "note", "text": "base: 3 of 9 answered"}) == "base: 3 of 9 answered"


def test_a_step_becomes_an_observation_of_its_numbers() -> None:
    metadata = observation_metadata(STEP)
    assert {name: value.value for name, value in metadata.items()} == {
        "codeio/step": 3, "codeio/max_steps": 9, "codeio/loss": 1.5, "codeio/learning_rate": 1e-5,
        "codeio/tokens_per_s": 90.5, "codeio/memory_bytes": 10**9, "codeio/eta_s": 12.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("left", "last", "said", "retried"),
    [
        (Failure("out of memory: x. Lower max_length.", final=True), [STEP], "Lower max_length", False),
        (Failure("OSError: disk", final=False), [], "OSError: disk", True),
        (None, [STEP], "killed from outside.*It was at step 3 of 9.*goes on from its last complete", True),
        (None, [], "had made no step", True),
    ],
)
def test_failures_say_what_to_do_and_only_deaths_are_tried_again(left, last, said, retried, tmp_path) -> None:
    output = str(tmp_path / "stage1")
    if left:
        left.write(output)
    failure = failure_of("exit code 1", output, last)
    assert failure.allow_retries is retried
    with pytest.raises(dg.Failure, match=f"(?s){said}"):
        raise failure


def test_the_audit_check_names_what_is_beyond_which_limit() -> None:
    row = {
        "rows": 10, "rows_truncated": 2, "completion_tokens": 100, "completion_tokens_lost": 30, "rows_untrainable": 0,
        "rows_without_end": 0, "padding_ratio": 0.5, "epochs_implied": 3.0,
    }  # fmt: skip
    limits = AuditLimits.model_validate({"max_truncated_ratio": 0.5, "max_epochs": 2.0})
    assert audit_problems(row, limits) == ["lost_ratio is 0.3, max_lost_ratio 0.1", "epochs is 3, max_epochs 2"]


def test_runs_on_gpus_ask_kubernetes_for_them() -> None:
    project = Project.find()
    assert gpu_tags(project.recipe("demo")) == {}
    asked = json.loads(gpu_tags(project.recipe("codeio_pp_qwen2.5-coder-7b"))["dagster-k8s/config"])
    assert asked["container_config"]["resources"]["limits"] == {"nvidia.com/gpu": "8"}
