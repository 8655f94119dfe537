"""Reading a Hugging Face dataset as items: a name on the hub or a local folder, streamed row by row.

What does not live here: what a row is (`reading`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from codeio_assets.core.settings.project import Reading, SettingsError
from codeio_assets.core.values.canonical import canonical_json, sha256_hex
from codeio_assets.sources.reading import RawItem, read_row


def read_dataset(source: Reading, base: Path) -> Iterator[RawItem]:
    """Yield the rows of a dataset, broken ones with a reason.

    Raises:
        SettingsError: the package, the dataset, its configuration, split or revision is not there; the hub's own words.
    """
    assert source.dataset is not None  # the settings have seen to it
    local = base / source.dataset
    name = str(local) if local.is_dir() else source.dataset
    fields = source.fields
    wanted = [field for field in (fields.content, fields.path, fields.repository, fields.license) if field]
    for number, row in enumerate(_rows(source, name), start=1):
        kept = {field: row[field] for field in wanted if field in row}
        text = canonical_json({field: str(value) for field, value in kept.items()})
        yield read_row(source, f"{source.dataset}:{number}", sha256_hex(text), kept, len(text.encode()))


def stream(name: str, config: str | None, *, split: str, revision: str | None) -> Iterator[Mapping[str, object]]:
    """Yield the rows of a dataset, in whatever way the package fails."""
    import datasets  # pyright: ignore[reportMissingTypeStubs]

    load: Callable[..., Iterable[Mapping[str, object]]] = datasets.load_dataset  # pyright: ignore
    yield from load(name, config, split=split, revision=revision, streaming=True)


def _rows(source: Reading, name: str) -> Iterator[Mapping[str, object]]:
    try:
        yield from stream(name, source.dataset_config, split=source.dataset_split, revision=source.revision)
    except ImportError as error:
        raise SettingsError("kind: huggingface needs the package datasets: pip install datasets.") from error
    except (OSError, ValueError, RuntimeError) as error:
        told = str(error).split("\n", 1)[0]
        raise SettingsError(
            f"the dataset {source.dataset!r} cannot be read: {told} Check `dataset`, `dataset_config`, `dataset_split` "
            "and `revision` in sources.yaml, and the network."
        ) from error
