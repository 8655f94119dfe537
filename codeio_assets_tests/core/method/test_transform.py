from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeio_assets.core.method.transform import (
    ParsedFunction,
    TransformFailure,
    copies_example,
    parse_response,
    repair_messages,
    request_messages,
    sampling_program,
)
from codeio_assets.core.prompts import load_prompt

MAIN = "def main_solution(a):\n    return a + 1\n"
GENERATOR = "def input_generator():\n    return {'a': 1}\n"
IO = "Input:\n  a (int): a number\nOutput:\n  return (int): the next"
QUERY = "Which number comes after `a`?"
TITLES = ("## Main Function", "## Input Output Description", "## Input Generator", "## Problem Statement")


def fenced(code: str, tag: str = "python") -> str:
    return f"```{tag}\n{code}```"


def response(
    main: str = fenced(MAIN),
    io: str = IO,
    generator: str = fenced(GENERATOR),
    query: str = QUERY,
    titles: tuple[str, str, str, str] = TITLES,
) -> str:
    bodies = (main, io, generator, query)
    return "\n\n".join(f"{title}\n{body}" for title, body in zip(titles, bodies, strict=True))


def parsed(text: str) -> ParsedFunction:
    found = parse_response(text)
    assert isinstance(found, ParsedFunction), found
    return found


PLAIN = ParsedFunction(MAIN, IO, GENERATOR, QUERY)


@pytest.mark.parametrize(
    "titles",
    [
        TITLES,
        tuple(title.replace("##", "#") for title in TITLES),
        tuple(title.replace("##", "####") for title in TITLES),
        tuple(title.upper() for title in TITLES),
        tuple(title.lower() for title in TITLES),
        tuple(f"{title}:" for title in TITLES),
        tuple(f"{title} (as asked)" for title in TITLES),
        tuple(f"{title} ##" for title in TITLES),
        tuple(f"   {title}" for title in TITLES),
        tuple(f"**{title.removeprefix('## ')}**" for title in TITLES),
        tuple(f"**{title.removeprefix('## ')}:**" for title in TITLES),
        tuple(f"**{n}. {title.removeprefix('## ')}**" for n, title in enumerate(TITLES, 1)),
        tuple(f"{n}. {title.removeprefix('## ')}" for n, title in enumerate(TITLES, 1)),
        tuple(f"{n}) {title.removeprefix('## ')}" for n, title in enumerate(TITLES, 1)),
        tuple(f"### {n}. {title.removeprefix('## ')}" for n, title in enumerate(TITLES, 1)),
        tuple(f"## **{title.removeprefix('## ')}**" for title in TITLES),
        tuple(f"### {n}. **{title.removeprefix('## ')}**" for n, title in enumerate(TITLES, 1)),
        tuple(f"## __{title.removeprefix('## ')}__" for title in TITLES),
        tuple(f"{n}. **{title.removeprefix('## ')}**" for n, title in enumerate(TITLES, 1)),
        ("##Main Function", "##Input/Output Description", "##Input Generator", "##Problem Statement"),
        ("## Main  Function", "## Input & Output Descriptions", "## Input  Generator", "## Problem  Statement"),
        ("## Main Function", "## Input and Output Description", "## Input Generator", "## Problem Statement"),
        ("## Main Function", "## Input-Output Description", "## Input Generator", "## Problem Statement"),
    ],
    ids=lambda titles: titles[1],
)
def test_headings(titles: tuple[str, str, str, str]) -> None:
    assert parsed(response(titles=titles)) == PLAIN


@pytest.mark.parametrize(
    "code",
    [
        fenced(MAIN),
        fenced(MAIN, ""),
        fenced(MAIN, "py"),
        fenced(MAIN, "Python 3"),
        fenced(MAIN, "python title='a.py'"),
        f"Here it is:\n\n{fenced(MAIN)}\n\nIt adds one.",
        f"   ```python\n{MAIN}   ```",
        f"````python\n{MAIN}````",
        MAIN,
        f"~~~python\n{MAIN}~~~",
    ],
)
def test_code_of_a_section(code: str) -> None:
    assert parsed(response(main=code)) == PLAIN


def test_carriage_returns_are_read() -> None:
    found = parsed(response().replace("\n", "\r\n"))
    assert found.query == QUERY
    namespace: dict[str, object] = {}
    exec(found.reference_code, namespace)
    assert "main_solution" in namespace


def test_text_before_the_sections_and_a_changed_order_are_read() -> None:
    ordered = response()
    turned = "\n\n".join(
        f"{title}\n{body}"
        for title, body in reversed(list(zip(TITLES, (fenced(MAIN), IO, fenced(GENERATOR), QUERY), strict=True)))
    )
    assert parsed("Sure! I will write the main function and an input generator.\n\n" + ordered) == PLAIN
    assert parsed(turned) == PLAIN


def test_several_code_blocks_of_a_section_are_joined() -> None:
    helper = "def step(a):\n    return a\n"
    found = parsed(response(main=f"First a helper.\n{fenced(helper)}\nThen:\n{fenced(MAIN)}"))
    assert found.reference_code == f"{helper}\n\n{MAIN}".replace("\n\n\n", "\n\n")


def test_headings_inside_code_are_code() -> None:
    main = "# Input Generator\n## Problem Statement\n" + MAIN
    assert parsed(response(main=fenced(main))) == ParsedFunction(main, IO, GENERATOR, QUERY)


def test_backticks_inside_code_are_code() -> None:
    main = 'def main_solution(a):\n    """Put in ```fences```."""\n    return "```" + a\n'
    assert parsed(response(main=fenced(main))).reference_code == main


def test_other_headings_belong_to_the_section_around_them() -> None:
    io = "### Input\na: a number\n### Output\nthe next one"
    assert parsed(response(io=io)).io_description == io


def test_the_last_of_two_sections_of_one_title_counts() -> None:
    text = response(main=fenced(MAIN.replace("+ 1", "+ 2"))) + "\n\nCorrected:\n\n" + f"{TITLES[0]}\n{fenced(MAIN)}"
    assert parsed(text).reference_code == MAIN


def test_the_last_definition_is_the_one_that_is_checked() -> None:
    found = parse_response(response(main=fenced(MAIN + "\ndef main_solution():\n    return 1\n")))
    assert isinstance(found, TransformFailure)
    assert found.reason == "main_solution_without_arguments"


@pytest.mark.parametrize("arguments", ["a", "a, b=1", "*, a", "a, /", "a: int = 3", "a, *rest", "a, **rest"])
def test_arguments_that_main_solution_may_have(arguments: str) -> None:
    assert parsed(response(main=fenced(f"def main_solution({arguments}): return a\n")))


@pytest.mark.parametrize("arguments", ["", "n=3", "*, n=3", "*rest", "**rest", "n=3, *rest", "n=1, /, m=2"])
def test_arguments_that_the_generator_may_have(arguments: str) -> None:
    assert parsed(response(generator=fenced(f"def input_generator({arguments}): return {{}}\n")))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_response"),
        (" \n\t ", "empty_response"),
        ("I cannot do that.", "missing_main_function"),
        (response().replace(TITLES[0], ""), "missing_main_function"),
        (response().replace(TITLES[1], ""), "missing_input_output_description"),
        (response().replace(TITLES[2], ""), "missing_input_generator"),
        (response().replace(TITLES[3], ""), "missing_problem_statement"),
        (response()[:160], "missing_input_generator"),
        (response().split(TITLES[3])[0], "missing_problem_statement"),
        (response(main=""), "empty_main_function"),
        (response(io=" "), "empty_input_output_description"),
        (response(generator="\n"), "empty_input_generator"),
        (response(query=""), "empty_problem_statement"),
        (response(main="It adds one to the number."), "no_code_in_main_function"),
        (response(generator="Use any number."), "no_code_in_input_generator"),
        (response(main=fenced("def main_solution(a)\n    return a\n")), "syntax_error_in_main_function"),
        (response(main=fenced("def main_solution(a, a):\n    return a\n")), "syntax_error_in_main_function"),
        (response(main=fenced(MAIN + "def f(x):\n    global x\n")), "syntax_error_in_main_function"),
        (response(main=fenced(MAIN + "def f():\n    nonlocal x\n")), "syntax_error_in_main_function"),
        (response(main=fenced("x = " + "-" * 30_000 + "1\n" + MAIN)), "syntax_error_in_main_function"),
        (response(main=fenced(MAIN + "x = '\x00'\n")), "syntax_error_in_main_function"),
        (response(main=fenced("print 'a'\n"), generator=fenced(")\n")), "syntax_error_in_main_function"),
        (response(generator=fenced("def input_generator(:\n")), "syntax_error_in_input_generator"),
        (response(generator=fenced("def input_generator(*, b, b=1): pass\n")), "syntax_error_in_input_generator"),
        (response(main=fenced("def solve(a):\n    return a\n")), "missing_main_solution"),
        (response(main=fenced("x = 1\n")), "missing_main_solution"),
        (response(main=fenced("class A:\n    def main_solution(self): pass\n")), "missing_main_solution"),
        (response(main=fenced("async def main_solution(a): return a\n")), "missing_main_solution"),
        (response(main=fenced("solution = lambda a: a\n")), "missing_main_solution"),
        (response(main=fenced("def main_solution(): return 1\n")), "main_solution_without_arguments"),
        (response(main=fenced("def main_solution(*a): return a\n")), "main_solution_without_arguments"),
        (response(main=fenced("def main_solution(**a): return a\n")), "main_solution_without_arguments"),
        (response(generator=fenced("x = {'a': 1}\n")), "missing_generator"),
        (response(generator=fenced("def generate(): return {}\n")), "missing_generator"),
        (response(generator=fenced("def input_generator(n): return {}\n")), "generator_with_arguments"),
        (response(generator=fenced("def input_generator(n, m=1): return {}\n")), "generator_with_arguments"),
        (response(generator=fenced("def input_generator(*, n): return {}\n")), "generator_with_arguments"),
        (response(generator=fenced("def input_generator(n, /): return {}\n")), "generator_with_arguments"),
    ],
)
def test_reasons(text: str, reason: str) -> None:
    found = parse_response(text)
    assert isinstance(found, TransformFailure), found
    assert found.reason == reason
    assert found.detail


def test_a_block_that_never_ends_is_told_from_a_syntax_error() -> None:
    titles = (TITLES[1], TITLES[3], TITLES[0], TITLES[2])
    bodies = (IO, QUERY, fenced(MAIN), fenced(GENERATOR).removesuffix("```"))
    text = "\n\n".join(f"{title}\n{body}" for title, body in zip(titles, bodies, strict=True))
    found = parse_response(text)
    assert isinstance(found, TransformFailure)
    assert found.reason == "unclosed_code_in_input_generator"


@settings(deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_around_a_response_gives_a_function_or_a_reason(before: str, after: str) -> None:
    found = parse_response(f"{before}\n{response()}\n{after}")
    assert isinstance(found, ParsedFunction | TransformFailure)


@settings(deadline=None)
@given(st.integers(0, len(response())))
def test_a_response_cut_anywhere_gives_a_function_or_a_reason(length: int) -> None:
    found = parse_response(response()[:length])
    assert isinstance(found, TransformFailure) or found.reference_code == MAIN


def test_the_request_holds_the_file_as_it_is() -> None:
    content = "\n\nprint('$5 ${a} {b}')\n\n"
    messages = request_messages(load_prompt("transform"), content)
    assert content.strip() in messages[-1][1]


def test_the_repair_shows_the_file_the_response_and_the_error_and_no_example() -> None:
    first = [("system", "s"), ("user", "an example"), ("assistant", "its answer"), ("user", "the file")]
    failure = TransformFailure("missing_generator", "no $generator here")
    messages = repair_messages(first, "the response", load_prompt("transform_repair"), failure)
    assert messages[:3] == [("system", "s"), ("user", "the file"), ("assistant", "the response")]
    assert [role for role, _ in messages[3:]] == ["user"]
    assert failure.detail in messages[3][1]
    assert len(first) == 4


def test_a_copy_of_the_worked_example_is_told_from_an_answer() -> None:
    prompt = load_prompt("transform")
    (example,) = (text for role, text in prompt.messages if role == "assistant")
    copied = parse_response(example)
    assert isinstance(copied, ParsedFunction)
    assert copies_example(copied, prompt)
    assert copies_example(replace(copied, reference_code="def main_solution(a):\n    return a\n"), prompt)
    assert not copies_example(PLAIN, prompt)


def test_the_sampling_program_defines_both_functions() -> None:
    namespace: dict[str, object] = {}
    exec(sampling_program(PLAIN), namespace)
    assert {"main_solution", "input_generator"} <= set(namespace)
