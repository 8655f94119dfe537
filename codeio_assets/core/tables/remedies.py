"""What a person can do about each reason why an item was dropped; every code of `reasons` has one.

What does not live here: the codes and what they mean (`core.tables.reasons`).
"""

from typing import Final

from codeio_assets.core.tables.reasons import REASONS

_NOTHING: Final = "Nothing: it is as it should be."
_MODEL: Final = "Read the request on the file's page; if many end so, try another model or prompt with `codeio try`."
_LENGTH: Final = "Raise `max_tokens` of that call in codeio.yaml, or take a model that is briefer, and make it again."
_SIZES: Final = "Nothing for a few; if many, say in the prompt `transform` that inputs and outputs must be small."
_LIMITS: Final = "Nothing for a few; if many, raise the limit under `sandbox` in codeio.yaml and make it again."

_EXACT: Final[dict[str, str]] = {
    "no_pass_rate": "Ask for several answers per task (`chat.samples_per_task` in codeio.yaml), or drop the bounds.",
    "outside_pass_rate": "Nothing: the recipe's `data.pass_rate` asks for it; widen the bounds to keep more.",
    "no_walk": "Nothing: the question stays for `codeio export-rl --steps`.",
    "wrong_state_line": "Nothing: the recipe's `data.state_lines` asks for it; a better teacher makes fewer.",
    "state_line_unchecked": "Raise `traces.max_events` and `max_bytes` in codeio.yaml if many end so.",
    "trace_crashed": "Nothing for a few: the pair stays, it has no trace.",
    "trace_differs": "Nothing for a few: being followed changes what the code gives, so the pair has no trace.",
    "trace_exception": "Nothing for a few: the pair stays, it has no trace.",
    "trace_malformed": "Nothing for a few: the pair stays, it has no trace.",
    "trace_not_serialisable": "Nothing for a few: the pair stays, it has no trace.",
    "unreadable": "Look at the file's rights and at the disk, then run `codeio shards`.",
    "undecodable": "Convert the file to UTF-8, or leave it out with `glob` in sources.yaml.",
    "too_large": "Raise `max_bytes` of the source in sources.yaml, or leave it out.",
    "broken_json": "Mend the line; `codeio shards` registers it anew.",
    "missing_field": "Name the fields of the rows under `fields` of the source in sources.yaml.",
    "source_changed": "Run `codeio shards`: what has changed is registered anew.",
    "repeated_item": _NOTHING,
    "outside_source": "Copy the file into the source's folder, or make the folder that it stands in a source.",
    "not_a_file": "Nothing: leave it out with `glob` in sources.yaml.",
    "taken_down": _NOTHING,
    "newer_syntax": "Run the pipeline, and programs (`sandbox.python`), with a Python as new as the code.",
    "nondeterministic_machine": "Nothing: an answer could not be checked.",
    "not_followed": "Add the repository that it points to as a source of its own, if its code is wanted.",
    "license_not_allowed": "Add the licence to `licenses.allow` (sources.yaml or the recipe) if you may use it.",
    "license_unknown": "State `license` for the source, or set `allow_unknown: true`.",
    "empty_file": _NOTHING,
    "too_short": "Lower `min_chars` of the source's filters if such files are wanted.",
    "too_long": "Raise `max_chars` of the source's filters if the model's context has room.",
    "syntax_error": "Nothing, if it is no Python 3; else mend the file.",
    "no_computation": "Nothing: a file of constants gives no function.",
    "duplicate_content": _NOTHING,
    "near_duplicate": "Set `near_duplicates: false` in the source's filters to keep such files.",
    "no_category": "Read the model's answer; if many end so, take a stronger model for `filters.categories`.",
    "category_left_out": "Change `drop` of the source's category filter if this kind is wanted.",
    "no_completion": "See `file_labels` for why; set `difficulty: null` to ask no model.",
    "too_hard": "Lower `min_success` of the difficulty filter.",
    "too_easy": "Raise `max_success` of the difficulty filter.",
    "response_failed": "See the run's log and the server; making the step again asks these only.",
    "response_refused": _MODEL,
    "response_truncated": _LENGTH,
    "response_infrastructure": "Make the step again: the machine was at fault.",
    "empty_response": _MODEL,
    "copied_example": "The model repeats the example: take a stronger model, or your own prompt.",
    "no_response": "Make the step again.",
    "no_draws": "Raise `sampling.draws` in codeio.yaml.",
    "input_not_an_object": _MODEL,
    "duplicate_input": _NOTHING,
    "missing_package": (
        "Drop the files, or say in the prompt `transform` to do without: programs have the standard library, NumPy, "
        "SciPy, SymPy, NetworkX and pandas. Or install it for the sandbox and name it in `sandbox.packages`."
    ),
    "output_none": _MODEL,
    "output_missing": "Make the step again.",
    "too_few_pairs": "Raise `sampling.draws`, or lower `sampling.min_pairs` in codeio.yaml.",
    "degenerate": "Set `sampling.keep_degenerate: true` to keep functions with one output.",
    "nondeterministic": "Nothing: an answer could not be checked.",
    "nondeterministic_time": "Nothing: an answer could not be checked.",
    "nondeterministic_random": "Nothing: an answer could not be checked.",
    "nondeterministic_hash_order": "Nothing: an answer could not be checked.",
    "duplicate_prompt": _NOTHING,
    "bad_conversation": "Mend the row: `messages` must end with one of the assistant.",
    "duplicate_conversation": _NOTHING,
    "marked": "Clear the mark on its page, or drop `exclude: marked` from the recipe.",
    "leaked": "Nothing: keeping it would train on a test. `data.without_leaks_of` of the recipe names the benchmarks.",
    "source_left_out": "Change `data.sources` of the recipe.",
    "outside_fraction": "Raise `data.fraction` of the recipe.",
    "direction_left_out": "Change `data.variant` of the recipe.",
    "not_correct": "Change `data.variant` of the recipe to `full` to keep wrong answers.",
    "beyond_pairs_per_function": "Raise `data.pairs_per_function` or `pairs_fraction` of the recipe.",
    "no_unrelated_text": "Make shards larger: the control needs a second function.",
    "near_another_side": "Nothing: keeping it would leak held-out data into training.",
    "outside_mix_share": "Raise the share under `mix` of the recipe's stage.",
}
_BY_ENDING: Final[dict[str, str]] = {
    "_timeout": _LIMITS,
    "_out_of_memory": _LIMITS,
    "_output_too_large": _SIZES,
    "_too_many_items": _SIZES,
    "_string_too_long": _SIZES,
    "_scalar_too_large": _SIZES,
    "_too_large_bytes": _SIZES,
}


def remedy(reason: str) -> str:
    """Return what a person can do about a reason."""
    if reason in _EXACT:
        return _EXACT[reason]
    return next((text for ending, text in _BY_ENDING.items() if reason.endswith(ending)), _MODEL)


def meaning(table: str, reason: str) -> str:
    """Return what a reason of a table means; the code itself where nothing is said."""
    return REASONS.get(table, {}).get(reason, reason.replace("_", " "))
