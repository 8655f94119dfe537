"""Every reason code of the tables, with what it means: the one list that schemas, checks, reports and docs go by.

What does not live here: the decisions, which stand where the codes are given (`core`, `sources`, `steps`,
`sql/transforms`); a test holds that none of them gives a code that is not here.
"""

from typing import Final

_SIZES: Final = {
    "too_many_items": "a list or object has 20 items or more",
    "string_too_long": "a text has 100 characters or more",
    "scalar_too_large": "a number takes 128 bytes or more",
    "too_large_bytes": "the whole takes 1,024 bytes of memory or more",
}
"""What `core.values.complexity` finds."""

_OUTCOMES: Final = {
    "exception": "raises an exception",
    "timeout": "does not end within the CPU time of a call",
    "out_of_memory": "needs more memory than a call may use",
    "output_too_large": "gives a value of more than a megabyte",
    "not_serialisable": "gives a value that has no JSON form",
    "crashed": "ends the process that runs it",
}
"""What a call may come to, besides a value; see `sandbox.contract`."""

_SECTIONS: Final = ("main_function", "input_output_description", "input_generator", "problem_statement")
_CODE_SECTIONS: Final = ("main_function", "input_generator")

_READING: Final = {
    "unreadable": "the file cannot be opened",
    "outside_source": "it leads out of its source's folder, by a link",
    "not_a_file": "it is a device, a pipe or a socket",
    "undecodable": "the content is no text in UTF-8, or in the encoding that it declares",
    "too_large": "the file is larger than `max_bytes` of its source",
    "broken_json": "the line is not JSON",
    "missing_field": "the row lacks the content or the path",
    "taken_down": "a person took the file down (`codeio takedown`)",
    "source_changed": "the registered file is no longer there as it was",
    "repeated_item": "the same path and content stand in the source once more",
    "not_followed": "a link or submodule of a repository, which is not followed",
}

_LICENSES: Final = {
    "license_not_allowed": "the licence is not among those allowed",
    "license_unknown": "the source states no licence",
}

_ELIGIBILITY: Final = {
    "empty_file": "nothing but blanks and comments",
    "too_short": "fewer characters than `min_chars` of its source's filters",
    "too_long": "more characters than `max_chars` of its source's filters",
    "syntax_error": "not Python",
    "newer_syntax": "Python of a later version than runs the programs, or the pipeline; the detail names both",
    "no_computation": "no function, class, loop or comprehension",
    **_LICENSES,
    "duplicate_content": "the tokens of an earlier file",
    "near_duplicate": "near to an earlier file",
    "no_category": "no model said what it is about",
    "category_left_out": "of a category that its source drops",
    "no_completion": "no completion of it could be tried",
    "too_hard": "a model completes it less often than `min_success`",
    "too_easy": "a model completes it more often than `max_success`",
}

_RESPONSES: Final = {
    "response_failed": "the request failed",
    "response_refused": "the model refused",
    "response_truncated": "the response was cut off at the token limit",
}

_PARSING: Final = {
    "empty_response": "the response is empty",
    **{f"missing_{name}": f"the response has no section for the {name.replace('_', ' ')}" for name in _SECTIONS},
    **{f"empty_{name}": f"the section for the {name.replace('_', ' ')} is empty" for name in _SECTIONS},
    **{f"no_code_in_{name}": f"the section for the {name.replace('_', ' ')} has no code" for name in _CODE_SECTIONS},
    **{f"unclosed_code_in_{name}": f"the code of the {name.replace('_', ' ')} does not end" for name in _CODE_SECTIONS},
    **{f"syntax_error_in_{name}": f"the code of the {name.replace('_', ' ')} is not Python" for name in _CODE_SECTIONS},
    "missing_main_solution": "the code does not define `main_solution`",
    "main_solution_without_arguments": "`main_solution` takes no argument",
    "missing_generator": "the code does not define `input_generator`",
    "generator_with_arguments": "`input_generator` needs arguments",
    "copied_example": "the worked example of the prompt instead of the file",
    "no_response": "no request was sent",
}

_DRAWING: Final = {
    "no_draws": "the input generator was never called",
    **{f"generator_{status}": f"`input_generator` {words}" for status, words in _OUTCOMES.items()},
    "input_not_an_object": "`input_generator` returns no object of arguments",
    **{f"input_{problem}": f"of the input, {words}" for problem, words in _SIZES.items()},
    "duplicate_input": "the input was drawn before",
    **{f"output_{status}": f"`main_solution` {words}" for status, words in _OUTCOMES.items()},
    "missing_package": "it imports a package that the sandbox lacks",
    "output_none": "`main_solution` returns None",
    "output_missing": "the call gave no value",
    **{f"output_{problem}": f"of the output, {words}" for problem, words in _SIZES.items()},
}

_PAIRS: Final = {
    "too_few_pairs": "fewer pairs than `min_pairs`",
    "degenerate": "all inputs give one output",
    "nondeterministic": "two executions gave different outputs",
    "nondeterministic_time": "the output changes with the time",
    "nondeterministic_random": "the output changes with the random state",
    "nondeterministic_hash_order": "the output changes with the hash seed",
    "nondeterministic_machine": "the output changes with the machine, its files or where memory lies",
}

_CONVERSATIONS: Final = {
    "broken_json": "the line is not JSON",
    "bad_conversation": "no list of messages that ends with one of the assistant",
    "duplicate_conversation": "the messages of an earlier conversation",
}

_ASSEMBLY: Final = {
    "marked": "somebody marked it, its function or its file as excluded",
    "leaked": "the function shares an n-gram with a question of a benchmark that the recipe names",
    "source_left_out": "the recipe leaves its source out",
    "outside_fraction": "outside the fraction of functions that the recipe takes",
    **_RESPONSES,
    "response_infrastructure": "the machine was at fault, so that there is no verdict",
    "direction_left_out": "the recipe takes the other direction only",
    "not_correct": "the recipe takes correct responses only",
    "beyond_pairs_per_function": "beyond the pairs per function that the recipe takes",
    **_LICENSES,
    "no_pass_rate": "the recipe takes a range of pass rates, and no answers were sampled",
    "outside_pass_rate": "outside the range of pass rates that the recipe takes",
    "no_walk": "the teacher cannot tell the way to the step: too long, or in values too long to be told",
    "wrong_state_line": "a state line of a response says what the execution did not have",
    "state_line_unchecked": "the execution of which a state line speaks could not be followed to its end",
    "no_unrelated_text": "the control needs text of another function, and the shard has none",
    "near_another_side": "near to files on another side of the split",
    "outside_mix_share": "outside the share of its kind in the stage's mix",
}

_TRACES: Final = {
    **{f"trace_{status}": f"followed line by line, the call {words}" for status, words in _OUTCOMES.items()},
    "trace_malformed": "what came back is no trace",
    "trace_differs": "followed line by line, the call gives another output than the pair has",
}

REASONS: Final[dict[str, dict[str, str]]] = {
    "raw_code_files_rejections": _READING,
    "eligible_code_files_rejections": _ELIGIBILITY,
    "transform_attempts": {**_PARSING, **_RESPONSES, **_DRAWING},
    "unified_functions_rejections": {**_PARSING, **_RESPONSES, **_DRAWING},
    "io_pairs_rejections": {**_DRAWING, **_PAIRS},
    "execution_traces_rejections": _TRACES,
    "prediction_tasks_rejections": {"duplicate_prompt": "another pair of the function gives the same prompt"},
    "instruction_data_rejections": _CONVERSATIONS,
    "training_sets_rejections": _ASSEMBLY,
}
"""Table -> the codes that its column `reason` may hold -> what they mean."""

AUDIT_RESULTS: Final[dict[str, str]] = {
    "reproduces": "the recorded output is what the input gives",
    "argument_mutation": "the function changes its arguments, so that the input was recorded too late",
    "random": "the output changes with the random state",
    "time": "the output changes with the time",
    "hash_order": "the output changes with the hash seed",
    "machine": "the output changes with the machine, its files or where memory lies",
    "missing_import": "the code imports what is not there",
    "error": "the call raises an exception",
    "timeout": "the call does not end within its CPU time",
    "out_of_memory": "the call needs more memory than it may use",
    "output_too_large": "the call gives a value of more than a megabyte",
    "not_serialisable": "the call gives a value that has no JSON form",
    "crashed": "the call ends the process that runs it",
    "global_state_or_other_code": "what is left: state between calls, or other code than was executed then",
}
"""What `steps.published_data_audit` may find of a recorded pair, and what it means."""
