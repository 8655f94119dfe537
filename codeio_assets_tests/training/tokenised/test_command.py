"""Tokenising as a process: sets by identity, made once, shared, and refused with the reason."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from codeio_assets.training.contract import Failure, TokenisedResult
from codeio_assets.training.launching import tokenising_command
from codeio_assets.training.tokenised.command import main


def written(job, path: Path) -> Path:
    return job.write(path)


def sets(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_ino for path in folder.glob("*/manifest.json")}


def test_both_stages_are_made_in_a_process_and_not_made_again(make_job, tmp_path: Path) -> None:
    jobs = [written(make_job(stage), tmp_path / f"stage{stage}.json") for stage in (1, 2)]
    subprocess.run(tokenising_command(jobs, tmp_path / "tokens"), check=True)
    made = sets(tmp_path / "tokens")
    results = [TokenisedResult.read(job) for job in jobs]
    assert {result.set_id for result in results} == set(made)
    assert [result.audit["rows"] for result in results] == [16, 16]
    assert [result.validation_sequences for result in results] == [4, 4]
    assert main(["--job", str(jobs[0]), "--job", str(jobs[1]), "--to", str(tmp_path / "tokens")]) == 0
    assert sets(tmp_path / "tokens") == made


def test_recipes_that_need_the_same_share_a_set_and_others_do_not(make_job, tmp_path: Path) -> None:
    same = make_job(learning_rate=0.5, out="same")
    others = [make_job(max_length=64, out="cut"), make_job(validation_rows=2, out="held"), make_job(packing=True)]
    jobs = [written(job, tmp_path / f"{number}.json") for number, job in enumerate([make_job(), same, *others])]
    arguments = [argument for job in jobs for argument in ("--job", str(job))]
    assert main([*arguments, "--to", str(tmp_path / "tokens")]) == 0
    ids = [TokenisedResult.read(job).set_id for job in jobs]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


def test_two_at_once_make_one_set(make_job, tmp_path: Path) -> None:
    jobs = [written(make_job(out=f"out{number}"), tmp_path / f"{number}.json") for number in range(2)]
    commands = [tokenising_command([job], tmp_path / "tokens") for job in jobs]
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait(240) for process in running] == [0, 0]
    assert len(sets(tmp_path / "tokens")) == 1


def test_a_set_that_was_damaged_or_half_removed_is_made_again(make_job, tmp_path: Path) -> None:
    job = written(make_job(), tmp_path / "job.json")
    arguments = ["--job", str(job), "--to", str(tmp_path / "tokens")]
    assert main(arguments) == 0
    (name,) = sets(tmp_path / "tokens")
    folder = tmp_path / "tokens" / name
    for damage in (lambda: (folder / "manifest.json").write_text("{"), lambda: (folder / "counts.npz").unlink()):
        damage()
        assert main(arguments) == 0
        assert json.loads((folder / "manifest.json").read_text())["identity"] == name
        assert (folder / "counts.npz").exists()


def test_what_nothing_can_be_learned_from_is_refused_with_the_reason(make_job, tmp_path: Path, capfd) -> None:
    refused = {
        "have no trainable token": make_job(max_length=8, out="short"),
        "training data is missing": replace(make_job(out="gone"), data_files=(str(tmp_path / "gone.parquet"),)),
    }
    for said, job in refused.items():
        path = written(job, tmp_path / "job.json")
        assert main(["--job", str(path), "--to", str(tmp_path / "tokens")]) == 1
        failure = Failure.read(job.output_dir)
        assert failure is not None
        assert failure.final
        assert said in failure.text
    assert "Traceback" not in capfd.readouterr().err


WITHOUT_TORCH = """
import sys
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.partition(".")[0] == "torch" else found(name, *more)
from codeio_assets.training.tokenised.command import main
assert main(sys.argv[1:]) == 0
assert "torch" not in sys.modules
"""


def test_tokenising_needs_no_torch(make_job, tmp_path: Path) -> None:
    path = written(make_job(), tmp_path / "job.json")
    command = [sys.executable, "-c", WITHOUT_TORCH, "--job", path, "--to", tmp_path / "tokens"]
    assert subprocess.run(command, check=False).returncode == 0
    assert len(sets(tmp_path / "tokens")) == 1
