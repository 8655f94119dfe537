import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from codeio_assets.core.canonical import content_id
from codeio_assets.core.recipes import Recipe
from codeio_assets.core.settings import InstructionSource, Phrases, SettingsError, Split
from codeio_assets.core.tables import TABLES
from codeio_assets.stages.assembling import assemble, read_conversations
from codeio_assets.stages.result import StageResult

PHRASES = Phrases.model_validate({})
SPLIT = Split(validation_ratio=0.3, test_ratio=0.1)
TRAIN_ALL = Split(validation_ratio=0, test_ratio=0)
CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def checked(result: StageResult) -> StageResult:
    for table, rows in result.tables.items():
        TABLES[table].validate(rows)
    assert result.items_in == result.items_out + sum(result.dropped_by_reason.values())
    return result


class TestConversations:
    def read(self, base: Path, *lines: bytes | Any, split: Split = SPLIT) -> StageResult:
        texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        (base / "chats.jsonl").write_bytes(b"\n".join(texts))
        return checked(read_conversations({"chats": InstructionSource(path=Path("chats.jsonl"))}, base, split))

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

    def test_line_ends_and_a_byte_order_mark(self, tmp_path: Path) -> None:
        text = json.dumps({"messages": CHAT}).encode()
        other = text.replace(b"Hello", b"Hello\\u2028 and \xc2\x85 more")
        result = self.read(tmp_path, b"\xef\xbb\xbf" + text + b"\r", other)
        assert (result.items_out, result.dropped_by_reason) == (2, {})

    def test_a_missing_file_is_told(self, tmp_path: Path) -> None:
        sources = {"chats": InstructionSource(path=Path("gone.jsonl"))}
        with pytest.raises(SettingsError, match=r"instruction data chats: .*gone\.jsonl does not exist\. Correct"):
            read_conversations(sources, tmp_path, SPLIT)

    def test_without_sources_there_are_no_rows(self, tmp_path: Path) -> None:
        assert read_conversations({}, tmp_path, SPLIT).items_in == 0

    def test_growth_moves_no_conversation_to_another_side(self, tmp_path: Path) -> None:
        lines = [{"messages": [{"role": "user", "content": str(n)}, CHAT[1]]} for n in range(60)]
        sides = [
            dict(self.read(tmp_path, *part).tables["instruction_data"].select("sample_id", "split").iter_rows())
            for part in (lines[20:40], lines)
        ]
        assert sides[1].items() >= sides[0].items()
        assert set(sides[1].values()) == {"train", "validation", "test"}


def recipe(stages: dict[int, dict[str, float]] | None = None, **data: Any) -> Recipe:
    given = stages or {1: {"codeio": 1.0}, 2: {"instruction": 1.0}}
    parts = {
        "name": "r",
        "base_model": "m",
        "stages": {n: {"mix": mix, "learning_rate": 1e-5, "epochs": 1.0} for n, mix in given.items()},
        "data": data,
    }
    return Recipe.model_validate(parts)


def turn(response: str, verdict: str, status: str = "answered") -> dict[str, str]:
    return {"response": response, "response_status": status, "verdict": verdict, "feedback": f"said {verdict}"}


def task(
    function: int, pair: int = 0, direction: str = "output", turns: Any = None, source: str = "s"
) -> dict[str, Any]:
    return {
        "task_id": content_id(function=function, pair=pair, direction=direction),
        "function_id": content_id(function=function),
        "source": source,
        "direction": direction,
        "prompt": f"prompt {function} {pair} {direction}",
        "pair_index": pair,
        "input_json": '{"a":1}',
        "output_json": "2",
        "reference_code": "def main_solution(a): return a + 1",
        "io_description": "a (int)",
        "query": "next?",
        "repository": "repo",
        "path": f"{function}.py",
        "license": "mit",
        "turns": turns or [turn("right", "correct")],
    }


def chats(count: int) -> pl.DataFrame:
    rows = [[{"role": "user", "content": f"q {n}"}, {"role": "assistant", "content": f"a {n}"}] for n in range(count)]
    return pl.DataFrame(
        [
            {
                "sample_id": content_id(messages=chat),
                "source": "chats",
                "messages_json": json.dumps(chat),
                "split": "train",
            }
            for chat in rows
        ],
        schema=dict.fromkeys(("sample_id", "source", "messages_json", "split"), pl.String),
    )


def made(tasks: list[dict[str, Any]], of: Recipe, instructions: int = 0, split: Split = TRAIN_ALL) -> StageResult:
    return checked(assemble(of, pl.DataFrame(tasks), chats(instructions), PHRASES, split))


class TestTrainingSets:
    def test_each_stage_takes_what_its_mix_names(self) -> None:
        result = made([task(1), task(2)], recipe(), instructions=3)
        rows = result.tables["training_sets"]
        assert rows.group_by("stage", "kind").len().sort("stage").rows() == [(1, "codeio", 2), (2, "instruction", 3)]
        assert result.info["rows_by_split"] == {"stage_1_train": 2, "stage_2_train": 3}

    def test_a_sample_keeps_its_origin(self) -> None:
        (row,) = made([task(1)], recipe()).tables["training_sets"].to_dicts()
        assert (row["repository"], row["path"], row["license"], row["direction"]) == ("repo", "1.py", "mit", "output")
        assert json.loads(row["prompt_json"]) == [{"role": "user", "content": "prompt 1 0 output"}]
        assert row["completion"].startswith("right\n\n")

    def test_a_conversation_is_trained_on_its_last_message(self) -> None:
        row = made([task(1)], recipe(), 1).tables["training_sets"].filter(pl.col("stage") == 2).row(0, named=True)
        assert json.loads(row["prompt_json"]) == [{"role": "user", "content": "q 0"}]
        assert (row["completion"], row["function_id"], row["turn_1"]) == ("a 0", None, None)

    def test_both_kinds_may_be_mixed_in_both_stages(self) -> None:
        both = {"codeio": 1.0, "instruction": 1.0}
        rows = made([task(1)], recipe({1: both, 2: both}), 2).tables["training_sets"]
        assert rows.group_by("stage", "kind").len().sort("stage", "kind").rows() == [
            (1, "codeio", 1), (1, "instruction", 2), (2, "codeio", 1), (2, "instruction", 2),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("turns", "reason"),
        [
            ([turn("cut", "no_answer", "truncated")], "response_truncated"),
            ([turn("", "no_answer", "refused")], "response_refused"),
            ([turn("", "infrastructure", "failed")], "response_infrastructure"),
        ],
    )
    def test_turns_that_cannot_be_used(self, turns: Any, reason: str) -> None:
        result = made([task(1, turns=turns), task(2)], recipe())
        assert (result.items_out, result.dropped_by_reason) == (1, {reason: 1})
        (row,) = result.tables["training_sets_rejections"].to_dicts()
        assert row["id"] == task(1)["task_id"]
        assert row["detail"].startswith("stage 1: ")

    def test_variants_and_sources(self) -> None:
        tasks = [task(1), task(1, direction="input"), task(2, source="t"), task(3, pair=4)]
        of = recipe(variant="output_only", sources={"exclude": ["t"]}, pairs_per_function=4)
        result = made(tasks, of)
        assert result.items_out == 1
        assert result.dropped_by_reason == {
            "beyond_pairs_per_function": 1, "direction_left_out": 1, "source_left_out": 1,
        }  # fmt: skip

    def test_a_fraction_takes_whole_functions_and_grows_by_adding(self) -> None:
        tasks = [task(n, pair, direction) for n in range(60) for pair in range(2) for direction in ("input", "output")]
        taken: list[set[str]] = []
        for fraction in (0.2, 0.6, 1.0):
            rows = made(tasks, recipe(fraction=fraction)).tables["training_sets"]
            assert set(rows.group_by("function_id").len()["len"]) == {4}
            taken.append(set(rows["function_id"]))
        assert taken[0] < taken[1] < taken[2]
        assert len(taken[2]) == 60

    def test_a_share_of_the_mix_takes_whole_functions(self) -> None:
        tasks = [task(n, pair) for n in range(60) for pair in range(2)]
        result = made(tasks, recipe({1: {"codeio": 1.0}, 2: {"codeio": 0.3, "instruction": 0.5}}), 40)
        second = result.tables["training_sets"].filter(pl.col("stage") == 2)
        counts = dict(second.group_by("kind").len().iter_rows())
        assert 0 < counts["codeio"] < 120
        assert 0 < counts["instruction"] < 40
        assert set(second.filter(pl.col("kind") == "codeio").group_by("function_id").len()["len"]) == {2}
        assert set(result.dropped_by_reason) == {"outside_mix_share"}

    def test_a_function_is_on_one_side_in_every_stage(self) -> None:
        tasks = [task(n, pair) for n in range(60) for pair in range(2)]
        both = {"codeio": 1.0}
        rows = made(tasks, recipe({1: both, 2: both}), split=SPLIT).tables["training_sets"]
        assert set(rows.group_by("function_id").agg(pl.col("split").n_unique())["split"]) == {1}
        assert set(rows["split"]) == {"train", "validation", "test"}

    def test_growth_moves_no_function_to_another_side(self) -> None:
        tasks = [task(n) for n in range(80)]
        few, all_ = (
            dict(made(part, recipe(), split=SPLIT).tables["training_sets"].select("function_id", "split").iter_rows())
            for part in (tasks[30:50], tasks)
        )
        assert all_.items() >= few.items()

    def test_again_is_the_same(self) -> None:
        tasks = [task(n) for n in range(5)]
        one, again = (made(tasks, recipe(), 3).tables for _ in range(2))
        other = made(tasks[::-1], recipe(), 3).tables
        assert all(one[name].equals(again[name]) and one[name].equals(other[name]) for name in one)
