"""Turning a raw file into a unified function: the request, the four-section response, the repair turn.

Section titles as in the public repository (paper sec. 2.1); reading is tolerant to heading level, case, extra text
and a missing language tag. What does not live here: sending requests (`llm`) and running code (`sandbox`).
"""

import re
import textwrap
from dataclasses import dataclass

from codeio_assets.core.method.entries import ANYTHING, arguments_of
from codeio_assets.core.method.raw_code import parse_quietly
from codeio_assets.core.prompts import Prompt
from codeio_assets.core.values.reasoning import split_reasoning

SECTIONS = ("main function", "input output description", "input generator", "problem statement")
_TITLE = r"(?:main\s+function|input[\s/,&-]*(?:and\s+)?output\s+descriptions?|input\s+generator|problem\s+statement)"
_NUMBER = r"(?:\d+[.):]?[ \t]*)?"
_BOLD = r"(?:\*\*|__)[ \t]*"
_HEADING = re.compile(
    rf"^[ \t]*(?:\#+[ \t]*{_NUMBER}(?:{_BOLD}{_NUMBER})?|{_BOLD}{_NUMBER}|\d+[.)][ \t]+(?:{_BOLD})?)"
    rf"(?P<title>{_TITLE})(?![^\W_])[^\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
_FENCE = re.compile(
    r"^[ \t]*(?P<mark>```|~~~)[^\n]*\n(?P<body>.*?)(?P<end>^[ \t]*(?P=mark)|\Z)", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class ParsedFunction:
    """The parts of a transform response; code parts parse as Python."""

    reference_code: str
    io_description: str
    input_generator: str
    query: str


@dataclass(frozen=True, slots=True)
class TransformFailure:
    """Why a response gives no function: a reason code and, in words, what to mend."""

    reason: str
    detail: str


def request_messages(prompt: Prompt, content: str) -> list[tuple[str, str]]:
    """Return the messages of the first request for a file."""
    return prompt.fill(content=content.strip())


def repair_messages(
    request: list[tuple[str, str]], response: str, repair: Prompt, failure: "TransformFailure"
) -> list[tuple[str, str]]:
    """Return the request to mend a response: the rules and the file of the first request, the response, its error.

    The worked example is left out, for small models repeat it instead of mending their own answer (7 of 12 repairs of
    Qwen2.5-Coder-1.5B-Instruct did).
    """
    rules = [message for message in request[:-1] if message[0] == "system"]
    return [*rules, request[-1], ("assistant", response), *repair.fill(error=failure.detail)]


def copies_example(function: ParsedFunction, prompt: Prompt) -> bool:
    """Tell whether a response repeats the worked example of its prompt instead of rewriting the file."""
    examples = (parse_response(text) for role, text in prompt.messages if role == "assistant")
    return any(
        isinstance(example, ParsedFunction)
        and (example.query == function.query or example.reference_code == function.reference_code)
        for example in examples
    )


def parse_response(response: str) -> ParsedFunction | TransformFailure:
    """Read a four-section transform response.

    Returns:
        The function, or a failure with one of the reasons `empty_response`, `missing_<section>`, `empty_<section>`,
        `no_code_in_<section>`, `unclosed_code_in_<section>`, `syntax_error_in_<section>`, `missing_main_solution`,
        `main_solution_without_arguments`, `missing_generator`, `generator_with_arguments`.
    """
    response = split_reasoning(response)[0]
    if not response.strip():
        return TransformFailure("empty_response", "the response is empty")
    sections = _sections(response)
    for name in SECTIONS:
        if name not in sections:
            return TransformFailure(f"missing_{_code(name)}", f"there is no section '## {name.title()}'")
        if not sections[name].strip():
            return TransformFailure(f"empty_{_code(name)}", f"the section '## {name.title()}' is empty")
    reference = _read_code("main function", sections["main function"], response)
    if isinstance(reference, TransformFailure):
        return reference
    generator = _read_code("input generator", sections["input generator"], response)
    if isinstance(generator, TransformFailure):
        return generator
    failure = _check_main(reference) or _check_generator(generator)
    if failure:
        return failure
    return ParsedFunction(
        reference,
        sections["input output description"].strip(),
        generator,
        sections["problem statement"].strip(),
    )


def sampling_program(function: ParsedFunction) -> str:
    """Return the program that draws inputs: the generator sees the names of the reference code, as in the method."""
    return f"{function.reference_code}\n\n{function.input_generator}\n"


def _code(name: str) -> str:
    return name.replace(" ", "_")


def _sections(response: str) -> dict[str, str]:
    """Return the text under each heading; a title that comes twice counts where it comes last.

    Headings in code do not count, unless some are missing without them: then a fence was left open before them.
    """
    every = list(_HEADING.finditer(response))
    code_spans = [match.span() for match in _FENCE.finditer(response)]
    headings = [match for match in every if not any(start < match.start() < end for start, end in code_spans)]
    if not _titles(headings).issuperset(SECTIONS) and _titles(every).issuperset(SECTIONS):
        headings = every
    ends = [match.start() for match in headings[1:]] + [len(response)] * bool(headings)
    return {
        _canonical_title(match["title"]): response[match.end() : end] for match, end in zip(headings, ends, strict=True)
    }


def _titles(headings: list[re.Match[str]]) -> set[str]:
    return {_canonical_title(heading["title"]) for heading in headings}


def _canonical_title(title: str) -> str:
    lowered = title.lower()
    if lowered.startswith("main"):
        return "main function"
    if lowered.startswith("input") and "output" in lowered:
        return "input output description"
    return "input generator" if lowered.startswith("input") else "problem statement"


def _read_code(section: str, text: str, response: str) -> str | TransformFailure:
    """Return the fenced code of a section (several blocks are joined), or a section that is bare code.

    A block without an end is whole all the same if another section follows it.
    """
    ends_response = response.endswith(text)
    blocks = list(_FENCE.finditer(text))
    bodies = [block["body"].rstrip() for block in blocks]
    if blocks and not blocks[-1]["end"] and text.count(blocks[-1]["mark"]) % 2 and ends_response:
        return TransformFailure(
            f"unclosed_code_in_{_code(section)}", f"the code block of '## {section.title()}' does not end"
        )
    code = "\n\n".join(bodies) if bodies else text.strip()
    try:
        code = _sound_code(code, bodies)
    except SyntaxError as error:
        if not bodies:
            return TransformFailure(
                f"no_code_in_{_code(section)}", f"the section '## {section.title()}' has no code block"
            )
        return TransformFailure(f"syntax_error_in_{_code(section)}", f"in '## {section.title()}': {error}")
    return code + "\n"


def _sound_code(code: str, blocks: list[str]) -> str:
    """Return code that parses: as it stands, or with each of its blocks moved to the left.

    Raises:
        SyntaxError: neither does.
    """
    try:
        parse_quietly(code)
    except SyntaxError:
        code = "\n\n".join(map(textwrap.dedent, blocks))
        if not code.strip():
            raise
        parse_quietly(code)
    return code


def _check_main(code: str) -> TransformFailure | None:
    arguments = arguments_of(code, "main_solution")
    if arguments is None:
        return TransformFailure("missing_main_solution", "the Main Function does not define `main_solution`")
    if arguments is not ANYTHING and not (arguments.args or arguments.kwonlyargs or arguments.posonlyargs):
        return TransformFailure(
            "main_solution_without_arguments",
            "`main_solution` takes no argument; it must take at least one",
        )
    return None


def _check_generator(code: str) -> TransformFailure | None:
    arguments = arguments_of(code, "input_generator")
    if arguments is None:
        return TransformFailure("missing_generator", "the Input Generator does not define `input_generator`")
    required = len(arguments.args) + len(arguments.posonlyargs) - len(arguments.defaults)
    if required > 0 or any(default is None for default in arguments.kw_defaults):
        return TransformFailure("generator_with_arguments", "`input_generator` must take no arguments")
    return None
