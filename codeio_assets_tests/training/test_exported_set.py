"""A plain TRL trainer, with none of our code, trains on an exported folder."""

from pathlib import Path

import datasets
import pytest

from codeio_assets.products.export import export_training_set
from codeio_assets_tests.products.test_export import SQL, built
from codeio_assets_tests.steps.answered_tasks import RIGHT, WRONG, Task, fill, recipe

OF = recipe({1: {"codeio": 1.0}, 2: {"instruction": 1.0}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("exported")
    warehouse = built(fill(base / "warehouse", [Task(n, turns=[WRONG, RIGHT]) for n in range(16)], conversations=8), OF)
    return export_training_set(warehouse, OF, SQL, base / "set")


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")  # TRL sets what transformers has renamed
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_a_plain_trainer_trains_on_the_folder(
    stage: str, streaming: bool, folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    from trl import SFTConfig, SFTTrainer

    data = datasets.load_dataset(str(folder), stage, split="train", streaming=streaming, cache_dir=str(tmp_path))
    settings = SFTConfig(
        output_dir=str(tmp_path / "out"), max_steps=2, per_device_train_batch_size=2, max_length=256, report_to=[],
        use_cpu=True, logging_steps=1, save_strategy="no",
    )  # fmt: skip
    trainer = SFTTrainer(model=str(tiny_model), args=settings, train_dataset=data)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 2
    assert all(0 < loss < 20 for loss in losses)
    batch = next(iter(trainer.get_train_dataloader()))
    trained = (batch["labels"] != -100).sum().item()
    assert 0 < trained < batch["labels"].numel(), "the loss is on the completion only"
