import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from codeio_assets.core.settings.project import InstructionSource, SettingsError, Split
from codeio_assets.core.tables.data import TABLES
from codeio_assets.steps import instruction_data as instructing
from codeio_assets.steps.instruction_data import collect_conversations
from codeio_assets.steps.result import StepResult

SPLIT = Split(validation_ratio=0.3, test_ratio=0.1)
CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def checked(result: StepResult) -> StepResult:
    for table, rows in result.tables.items():
        TABLES[table].validate(rows)
    assert result.items_in == result.items_out + sum(result.dropped_by_reason.values())
    return result


class TestConversations:
    def read(self, base: Path, *lines: bytes | Any, split: Split = SPLIT) -> StepResult:
        texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        (base / "chats.jsonl").write_bytes(b"\n".join(texts))
        return checked(collect_conversations({"chats": InstructionSource(path=Path("chats.jsonl"))}, base, split))

    def test_conversations_are_rows(self, tmp_path: Path) -> None:
        long = [{"role": "system", "content": "Be kind."}, *CHAT, *CHAT]
        extra = {"messages": [{**message, "name": "x"} for message in CHAT], "id": 1}
        result = self.read(tmp_path, extra, {"messages": long})
        chats = [json.loads(text) for text in result.tables["instruction_data"]["messages_json"]]
        assert sorted(chats, key=len) == [CHAT, long]
        assert result.dropped_by_reason == {}

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b"{", "broken_json"),
            (b'{"messages": "\xff"}', "broken_json"),
            (b"[" * 100_000, "broken_json"),
            (b"[1]", "bad_conversation"),
            (b"null", "bad_conversation"),
            ({"chat": CHAT}, "bad_conversation"),
            ({"messages": None}, "bad_conversation"),
            ({"messages": "text"}, "bad_conversation"),
            ({"messages": {}}, "bad_conversation"),
            ({"messages": {"role": "user"}}, "bad_conversation"),
            ({"messages": []}, "bad_conversation"),
            ({"messages": ["a", "b"]}, "bad_conversation"),
            ({"messages": [{"role": "user"}, CHAT[1]]}, "bad_conversation"),
            ({"messages": CHAT[:1]}, "bad_conversation"),
            ({"messages": CHAT[1:]}, "bad_conversation"),
            ({"messages": CHAT + CHAT[:1]}, "bad_conversation"),
            ({"messages": [CHAT[0], {"role": "assistant", "content": "  "}]}, "bad_conversation"),
            ({"messages": [CHAT[0], {"role": "assistant", "content": None}]}, "bad_conversation"),
            ({"messages": [CHAT[0], {"role": "assistant", "content": [{"text": "a"}]}]}, "bad_conversation"),
            ({"messages": [{"role": "human", "content": "Hi"}, CHAT[1]]}, "bad_conversation"),
            ({"messages": [{"role": ["user"], "content": "Hi"}, CHAT[1]]}, "bad_conversation"),
            ({"messages": [CHAT[0], {"role": "assistant", "content": "\ud83d"}]}, "bad_conversation"),
        ],
    )
    def test_a_bad_line_is_a_rejection_and_the_others_are_read(
        self, line: bytes | Any, reason: str, tmp_path: Path
    ) -> None:
        result = self.read(tmp_path, {"messages": CHAT}, line, b"  ")
        assert (result.items_out, result.dropped_by_reason) == (1, {reason: 1})
        (row,) = result.tables["instruction_data_rejections"].to_dicts()
        assert row["detail"].startswith("chats.jsonl:2: ")

    def test_a_repeated_conversation_counts_once(self, tmp_path: Path) -> None:
        result = self.read(tmp_path, {"messages": CHAT}, {"messages": CHAT, "id": 2}, b"broken", b"broken")
        assert result.items_in == 4
        assert result.dropped_by_reason == {"broken_json": 2, "duplicate_conversation": 1}

    def test_rows_are_put_away_in_pieces_and_come_back_as_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lines = [{"messages": [{"role": "user", "content": str(n % 30)}, CHAT[1]]} for n in range(40)]
        whole = self.read(tmp_path, *lines)
        monkeypatch.setattr(instructing, "ROWS_PER_FRAME", 7)
        pieces = self.read(tmp_path, *lines)
        assert pieces.tables["instruction_data"].equals(whole.tables["instruction_data"])
        assert (pieces.items_out, pieces.dropped_by_reason) == (30, {"duplicate_conversation": 10})

    def test_line_ends_and_a_byte_order_mark(self, tmp_path: Path) -> None:
        text = json.dumps({"messages": CHAT}).encode()
        other = text.replace(b"Hello", b"Hello\\u2028 and \xc2\x85 more")
        result = self.read(tmp_path, b"\xef\xbb\xbf" + text + b"\r", other)
        assert (result.items_out, result.dropped_by_reason) == (2, {})

    def test_a_missing_file_is_told(self, tmp_path: Path) -> None:
        sources = {"chats": InstructionSource(path=Path("gone.jsonl"))}
        with pytest.raises(SettingsError, match=r"instruction data chats: .*gone\.jsonl does not exist\. Correct"):
            collect_conversations(sources, tmp_path, SPLIT)

    def test_without_sources_there_are_no_rows(self, tmp_path: Path) -> None:
        assert collect_conversations({}, tmp_path, SPLIT).items_in == 0

    def test_growth_moves_no_conversation_to_another_side(self, tmp_path: Path) -> None:
        lines = [{"messages": [{"role": "user", "content": str(n)}, CHAT[1]]} for n in range(60)]
        sides = [
            dict(self.read(tmp_path, *part).tables["instruction_data"].select("sample_id", "split").iter_rows())
            for part in (lines[20:40], lines)
        ]
        assert sides[1].items() >= sides[0].items()
        assert set(sides[1].values()) == {"train", "validation", "test"}

    def test_parquet_gives_the_same_rows(self, tmp_path: Path) -> None:
        chats = [[{"role": "user", "content": str(n)}, CHAT[1]] for n in range(5)] + [[CHAT[0]]]
        lines = self.read(tmp_path, *({"messages": chat} for chat in chats))
        pl.DataFrame({"messages": chats}).write_parquet(tmp_path / "chats.parquet")
        sources = {"chats": InstructionSource(kind="parquet", path=Path("chats.parquet"))}
        rows = checked(collect_conversations(sources, tmp_path, SPLIT))
        assert rows.tables["instruction_data"].equals(lines.tables["instruction_data"])
        assert rows.dropped_by_reason == lines.dropped_by_reason == {"bad_conversation": 1}

    def test_tokens_are_counted_and_the_first_may_be_enough(self, tmp_path: Path) -> None:
        self.read(tmp_path, {"messages": CHAT}, {"messages": [CHAT[0], {"role": "assistant", "content": "a, b"}]})
        read = {"chats": InstructionSource(path=Path("chats.jsonl"))}
        assert collect_conversations(read, tmp_path, SPLIT).info == {"approximate_tokens_by_source": {"chats": 6}}
        read = {"chats": InstructionSource(path=Path("chats.jsonl"), limit=1)}
        assert collect_conversations(read, tmp_path, SPLIT).items_in == 1

    def test_a_dataset_of_the_hub_is_read_as_it_streams(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[Any, ...]] = []

        def load_dataset(name: str, _config: None, **options: Any) -> list[dict[str, Any]]:
            asked.append((name, options["split"], options["streaming"]))
            return [{"messages": CHAT, "id": "x"}, {"messages": None}]

        monkeypatch.setattr("datasets.load_dataset", load_dataset)
        sources = {"tulu": InstructionSource(kind="hub", dataset="allenai/tulu-3-sft-mixture")}
        result = checked(collect_conversations(sources, tmp_path, SPLIT))
        assert asked == [("allenai/tulu-3-sft-mixture", "train", True)]
        assert (result.items_out, result.dropped_by_reason) == (1, {"bad_conversation": 1})

    def test_a_hub_out_of_reach_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def load_dataset(name: str, _config: None, **_options: Any) -> None:
            raise ConnectionError("no route to the hub")

        monkeypatch.setattr("datasets.load_dataset", load_dataset)
        sources = {"tulu": InstructionSource(kind="hub", dataset="a/b")}
        with pytest.raises(SettingsError, match=r"'a/b' cannot be read from the hub \(no route to the hub\)\. Check"):
            collect_conversations(sources, tmp_path, SPLIT)

    @pytest.mark.parametrize(
        "fields", [{}, {"kind": "hub"}, {"kind": "hub", "path": "a", "dataset": "b"}, {"path": "a", "dataset": "b"}]
    )
    def test_a_source_says_where_it_is(self, fields: dict[str, str]) -> None:
        with pytest.raises(ValidationError, match="give `"):
            InstructionSource.model_validate(fields)
