"""Compare `codeio score` with lm-eval on the same responses, by lm-eval's own stop texts, filters and metrics.

For an environment with PyPI's `lm_eval` (0.4.13), which is no dependency of this project:

    codeio score gsm8k RESPONSES.jsonl --out scored.jsonl
    LM_EVAL/bin/python tools/compare_lm_eval.py gsm8k RESPONSES.jsonl scored.jsonl

Benchmarks: gsm8k (lm-eval's task gsm8k_cot_zeroshot), bbh_en (bbh_cot_fewshot), drop (rows of predicted spans).
"""

import json
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import yaml

LM_EVAL = import_module("lm_eval")
TASKS = Path(LM_EVAL.__file__).parent / "tasks"
FILES = {"gsm8k": "gsm8k/gsm8k-cot-zeroshot.yaml", "bbh_en": "bbh/cot_fewshot/_cot_fewshot_template_yaml"}


def lines(path: str) -> list[dict]:
    """Return the rows of a JSONL file."""
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def generated(benchmark: str, rows: list[dict]) -> dict[str, list[float]]:
    """Return name of the filter -> a score per row."""
    build = import_module("lm_eval.filters").build_filter_ensemble
    match = import_module("lm_eval.api.metrics").exact_match_hf_evaluate
    task = yaml.safe_load((TASKS / FILES[benchmark]).read_text("utf-8"))
    options = {name: value for name, value in task["metric_list"][0].items() if name.startswith(("ignore", "regexes"))}
    found: dict[str, list[float]] = {}
    for each in task["filter_list"]:
        steps = [
            ({**step}.pop("function"), {k: v for k, v in step.items() if k != "function"}) for step in each["filter"]
        ]
        for kind in ("as they are", "cut at stop texts"):
            texts = [row["response"] for row in rows]
            for stop in task["generation_kwargs"]["until"] if kind.startswith("cut") else ():
                texts = [text.split(stop)[0] for text in texts]
            resps = [[text] for text in texts]
            for step in build(each["name"], steps).filters:
                resps = list(step().apply(resps, rows))
            golds = [str(row.get("target", row.get("answer"))).removeprefix("# ") for row in rows]
            found[f"{each['name']}, {kind}"] = [
                float(match(predictions=[said], references=[gold], **options)["exact_match"])
                for said, gold in zip(resps, golds, strict=True)
            ]
    return found


def spans(rows: list[dict]) -> dict[str, list[float]]:
    """Return the same for predicted spans."""
    judge = import_module("lm_eval.tasks.drop.utils").process_results
    return {"f1": [judge({"answers": row["golds"]}, row["prediction"])["f1"] for row in rows]}


def main() -> None:
    """Print both figures, and on how many responses they differ."""
    benchmark, responses, scored = sys.argv[1:]
    rows, ours = lines(responses), [line["score"] for line in lines(scored)]
    print(f"{benchmark}, {len(rows):,} responses: ours {100 * sum(ours) / len(ours):.2f}")
    for name, theirs in (spans(rows) if benchmark == "drop" else generated(benchmark, rows)).items():
        pairs = Counter((round(a, 2), round(b, 2)) for a, b in zip(ours, theirs, strict=True))
        more = sum(count for (a, b), count in pairs.items() if a > b)
        less = sum(count for (a, b), count in pairs.items() if a < b)
        print(f"  lm-eval {name}: {100 * sum(theirs) / len(theirs):.2f}; ours higher {more}, lower {less}")


if __name__ == "__main__":
    main()
