"""Pages: every address answers, what strangers wrote stays text, foreigners are refused, and what is posted happens."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from codeio_assets.browse.app import build_app
from codeio_assets.browse.library import Library
from codeio_assets.browse.reviewing import standing
from codeio_assets.core.values.intervals import running_upper
from codeio_assets_tests.browse.conftest import HOSTILE, ORIGIN, hostile, opened, post
from codeio_assets_tests.llm.stub_server import Act, StubServer, answer
from codeio_assets_tests.reports import tiny


def ids(library: Library, table: str = "tasks") -> list[str]:
    return [row["id"] for row in library.listing(table, []).page().rows]


def addresses(page: str) -> set[str]:
    return {found.replace("&amp;", "&") for found in re.findall(r'href="(/[^"#]*)"', page)}


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Library, dict[str, str]]]:
    """Every page that links lead to, over tables full of markup; lists a few levels deep."""
    library = opened(tmp_path_factory.mktemp("hostile"), hostile(tiny.tables()))
    client = TestClient(build_app(library), base_url=ORIGIN)
    pages: dict[str, str] = {}
    waiting = ["/", "/compare?a=now, turn 1&b=now, after revision", "/review?turn1=wrong", "/marks", "/keys"]
    while waiting and len(pages) < 400:
        address = waiting.pop(0)
        if address in pages or address.count("=") > 3:
            continue
        answer = client.get(address)
        assert answer.status_code == 200, (address, answer.text[-500:])
        pages[address] = answer.text
        waiting += sorted(addresses(answer.text) - set(pages)) if "/static/" not in address else []
    yield library, pages
    library.close()


def test_every_link_leads_to_a_page(visited: tuple[Library, dict[str, str]]) -> None:
    _, pages = visited
    kinds = {address.split("?")[0].split("/")[1] for address in pages}
    assert {"", "tasks", "functions", "files", "rejections", "marks", "review", "compare", "keys"} <= kinds
    assert sum(bool(re.match("/tasks/[0-9a-f]{64}", address)) for address in pages) >= tiny.TASKS


def test_what_strangers_wrote_is_text(visited: tuple[Library, dict[str, str]]) -> None:
    _, pages = visited
    told = [page for page in pages.values() if "alert(" in page]
    assert len(told) > 20
    for address, page in pages.items():
        if address.startswith("/static"):
            continue
        assert HOSTILE not in page, address
        assert re.findall(r"<script[^>]*>", page) == ['<script src="/static/browse.js" defer>'], address
        assert not re.search(r"<img|\son\w+=\"|style=\"|javascript:", page.replace("onerror=alert", "")), address
        assert "\u202e" not in page, address
    assert any("⟦U+202E⟧" in page for page in pages.values()), "a hidden character is shown as its number"


def test_every_answer_says_that_no_other_script_may_run(client: TestClient) -> None:
    for address in ("/", "/tasks", "/static/browse.js", "/nothing"):
        policy = client.get(address).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("127.0.0.1:3001", 200), ("localhost:9", 200), ("[::1]:9", 200)),
        *(("evil.example", 403), ("127.0.0.1.evil.example", 403), ("", 403)),
    ],
)
def test_foreign_names_are_refused(client: TestClient, host: str, status: int) -> None:
    assert client.get("/", headers={"host": host}).status_code == status


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:9999"])
def test_nothing_is_posted_from_elsewhere(client: TestClient, library: Library, origin: str | None) -> None:
    item = ids(library)[0]
    data = {"token": library.token, "kind": "task", "id": item, "mark": "exclude", "back": "/"}
    answer = client.post("/marks", data=data, headers={"origin": origin} if origin else {})
    assert answer.status_code == 403
    assert library.warehouse.read("marks").is_empty()


def test_a_form_of_an_earlier_start_is_refused(client: TestClient, library: Library) -> None:
    answer = post(client, library, "/marks", token="old", kind="task", id=ids(library)[0], mark="exclude", back="/")
    assert answer.status_code == 403
    assert "load it again" in answer.text
    assert library.warehouse.read("marks").is_empty()


def test_what_is_not_there_is_said_in_a_line(client: TestClient) -> None:
    for address in ("/tasks/" + "0" * 64, "/tasks/..%2f..", "/files/zz", "/find?id=" + "f" * 20, "/nowhere"):
        answer = client.get(address)
        assert answer.status_code == 404, address
        assert "Not found" in answer.text
    assert client.get("/find?id=ab").status_code == 400
    assert client.get("/tasks?after=x~y~z&sort=nonsense&turn1=nothing&limit=-1").status_code == 200


def test_any_id_leads_to_its_page(client: TestClient, library: Library) -> None:
    task = tiny.tables()["alpha-0001"]["prediction_tasks"][0]
    prediction = tiny.tables()["alpha-0001"]["predictions"][0]
    for wanted in (task["task_id"], task["task_id"][:12]):
        answer = client.get(f"/find?id={wanted}", follow_redirects=False)
        assert answer.headers["location"] == f"/tasks/{task['task_id']}"
    said = client.get(f"/find?id={prediction['prediction_id'][:20]}", follow_redirects=False)
    assert said.headers["location"] == f"/tasks/{prediction['task_id']}"
    pair = client.get(f"/find?id={task['pair_id']}")
    assert pair.text.count("/tasks/") >= 2, "a pair has a task per direction"
    sample = library.warehouse.read("training_sets", "demo").filter(kind="instruction")["sample_id"][0]
    assert client.get(f"/find?id={sample}").status_code == 200


def test_a_task_shows_everything_from_file_to_last_turn(client: TestClient) -> None:
    shard = tiny.tables()["alpha-0001"]
    revised = shard["revised_predictions"][0]
    page = client.get(f"/tasks/{revised['task_id']}").text
    task = next(row for row in shard["prediction_tasks"] if row["task_id"] == revised["task_id"])
    function = next(row for row in shard["unified_functions"] if row["function_id"] == task["function_id"])
    for part in (function["path"], function["query"], "main_solution", "Turn 1", "Turn 2", "<ins>", "Wanted output"):
        assert part in page, part
    assert f"/files/{function['file_id']}" in page
    assert "/tasks?recipe=demo" in page


def test_a_rejection_says_why_and_what_to_do(client: TestClient) -> None:
    row = next(
        row for row in tiny.tables()["alpha-0001"]["eligible_code_files_rejections"] if row["reason"] == "too_short"
    )
    page = client.get(f"/files/{row['id']}").text
    assert "Fewer characters than `min_chars`" in page
    assert "Lower `min_chars` of the source" in page


def test_marks_are_made_and_shown(client: TestClient, library: Library) -> None:
    item = ids(library)[0]
    back = f"/tasks/{item}?turn1=wrong"
    answer = post(client, library, "/marks", kind="task", id=item, mark="exclude", note="too easy", back=back)
    assert (answer.status_code, answer.headers["location"]) == (303, back)
    (row,) = library.warehouse.read("marks").to_dicts()
    assert (row["person"], row["mark"], row["note"], row["item_id"]) == ("ada", "exclude", "too easy", item)
    assert "too easy" in client.get(f"/tasks/{item}").text
    assert item in client.get("/tasks?mark=exclude").text
    assert "too easy" in client.get("/marks").text


@pytest.mark.parametrize("back", ["http://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_one_goes_back_to_our_own_pages_only(client: TestClient, library: Library, back: str) -> None:
    answer = post(client, library, "/marks", kind="task", id=ids(library)[0], mark="accept", back=back)
    assert answer.headers["location"] == "/"


def test_all_filtered_rows_are_marked_if_they_are_as_many_as_was_said(client: TestClient, library: Library) -> None:
    wrong = library.listing("tasks", [("turn1", "wrong")])
    fields = {"list": "tasks", "query": "turn1=wrong", "mark": "exclude", "note": "", "sure": "yes"}
    refused = post(client, library, "/marks/all", **fields, count="3")
    assert refused.status_code == 400
    assert "look at it again" in refused.text
    assert post(client, library, "/marks/all", **{**fields, "sure": ""}, count=str(wrong.count())).status_code == 400
    assert library.warehouse.read("marks").is_empty()
    assert post(client, library, "/marks/all", **fields, count=str(wrong.count())).status_code == 303
    assert set(library.warehouse.read("marks")["item_id"]) == set(wrong.ids(1_000))


def test_a_review_goes_on_where_it_was(client: TestClient, library: Library) -> None:
    start = client.get("/review?turn1=correct&salt=s").text
    assert "0 looked at" in start
    order = library.listing("tasks", [("turn1", "correct")]).shuffled("s", 100)
    assert len(order) == tiny.CORRECT_FIRST
    assert order != sorted(order)
    assert order == library.listing("tasks", [("turn1", "correct")]).shuffled("s", 100)
    assert order != library.listing("tasks", [("turn1", "correct")]).shuffled("t", 100)
    for item, mark in ((order[0], "accept"), (order[1], "exclude"), (order[3], "accept")):
        post(client, library, "/marks", kind="task", id=item, mark=mark, back="/")
    now = client.get("/review?turn1=correct&salt=s").text
    assert "2 looked at, 1 bad" in now, "the fourth does not count before the third is looked at"
    assert f"/tasks/{order[2]}?" in now
    item = client.get(f"/tasks/{order[2]}?turn1=correct&salt=s&target=3.0").text
    assert f"/tasks/{order[3]}?turn1=correct&amp;salt=s" in item


def test_the_running_bound_is_right_and_says_what_is_left() -> None:
    assert running_upper(0, 0) == 1.0
    assert running_upper(3, 3) == 1.0
    assert running_upper(0, 142) >= 0.03 > running_upper(0, 143)
    assert running_upper(1, 200) > running_upper(0, 200)
    begun = standing([{"id": "x", "mark": "accept"}] * 100, 0.03)
    assert (begun.seen, begun.bad, begun.left) == (100, 0, 43)
    assert standing([{"id": "x", "mark": "exclude"}] * 90, 0.03).left is None


def test_the_running_bound_holds_at_all_times_together() -> None:
    import random

    chance, share, missed = random.Random(7), 0.05, 0
    for _ in range(200):
        bad = 0
        for seen in range(1, 300):
            bad += chance.random() < share
            if seen % 10 == 0 and running_upper(bad, seen) < share:
                missed += 1
                break
    assert missed <= 200 * 0.05


def test_a_comparison_counts_flips(client: TestClient) -> None:
    page = client.get("/compare?a=now, turn 1&b=now, after revision").text
    won = tiny.CORRECT_AT_LAST - tiny.CORRECT_FIRST
    assert f"{tiny.TASKS} tasks in common: A right on {tiny.CORRECT_FIRST} (50.0%)" in page
    assert f"only B right: {won};" in page
    assert f"+{100 * won / tiny.TASKS:.1f} points" in page
    assert client.get("/compare?a=nothing&b=now, turn 1").status_code == 400
    held_out = client.get("/compare?a=held out, demo, base&b=held out, demo, stage1").text
    assert "4 tasks in common: A right on 0 (0%), B on 4 (100%)" in held_out


def test_code_is_run_here_and_answers_are_judged(client: TestClient, library: Library) -> None:
    shard = tiny.tables()["alpha-0001"]
    task = next(row for row in shard["prediction_tasks"] if row["direction"] == "output")
    function = next(row for row in shard["unified_functions"] if row["function_id"] == task["function_id"])
    pair = next(row for row in shard["io_pairs"] if row["pair_id"] == task["pair_id"])
    number = int(function["reference_code"].rsplit("+ ", 1)[1])

    def ask(path: str, **fields: str) -> str:
        answer = post(client, library, path, **fields)
        assert answer.status_code == 200, answer.text
        return " ".join(re.sub("<[^>]+>", " ", answer.text).split())

    run = ask("/execute", function=function["function_id"], input='{"a": 1, "b": 2}')
    assert f"{3 + number}" in run
    assert "exception TypeError" in ask("/execute", task=task["task_id"], input='{"a": 1}')
    assert "no JSON" in ask("/execute", task=task["task_id"], input="{")
    assert "object of arguments" in ask("/execute", task=task["task_id"], input="[1]")
    assert ask("/judge", task=task["task_id"], answer=f'So {{"output": {pair["output_json"]}}}').startswith("correct")
    assert ask("/judge", task=task["task_id"], answer='{"output": -1}').startswith("wrong")
    assert ask("/judge", task=task["task_id"], answer="none").startswith("no answer")
    back = next(row for row in shard["prediction_tasks"] if row["pair_id"] == task["pair_id"] and row != task)
    assert ask(
        "/judge", task=back["task_id"], answer=f'{{"input": {{"a": {pair["output_json"]}, "b": {-number}}}}}'
    ).startswith("correct")
    wrong = ask("/judge", task=back["task_id"], answer='{"input": {"a": 0, "b": 0}}')
    assert wrong.startswith("wrong")
    assert "The required output is" in wrong


REWRITTEN = """## Main Function
```python
def main_solution(a):
    return a * 2
```
## Input Output Description
`a`: an integer. Returns an integer.
## Input Generator
```python
import random
def input_generator():
    return {"a": random.randint(1, 50)}
```
## Problem Statement
What is twice the number `a`?
"""


def rewriting(asked: dict[str, Any], _before: int) -> Act:
    """Rewrite a file, and answer every question with the same number."""
    return answer(REWRITTEN if "Main Function" in asked["messages"][0]["content"] else '{"output": 4}')


def test_a_model_is_asked_again_about_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEIO_MODEL", "stub-model")
    with StubServer(rewriting, models=("stub-model", "larger")) as server:
        monkeypatch.setenv("CODEIO_BASE_URL", server.base_url)
        library = opened(tmp_path, tiny.tables())
        client = TestClient(build_app(library), base_url=ORIGIN)
        file = library.listing("files", [("fate", "function")]).page().rows[0]["id"]
        form = client.get(f"/files/{file}").text
        template = html.unescape(re.search(r'<textarea id="template"[^>]*>(.*?)</textarea>', form, re.S)[1])  # type: ignore[index]
        tables = library.warehouse.snapshot().versions

        def ask(**fields: str) -> str:
            given = post(client, library, "/ask", file=file, **{"model": "larger", "template": template, **fields})
            assert given.status_code == 200
            return " ".join(html.unescape(re.sub("<[^>]+>", " ", given.text)).split())

        told = ask(template=template.replace("\n", "\r\n"))
        assert "request 1 to stub-model-0.1: a function" in told
        assert "predict the output" in told
        assert "right at turn 1" in told
        assert {asked["model"] for asked in server.asked} == {"larger"}
        first, paid = server.asked[0]["messages"], len(server.asked)
        assert ask() == told
        assert len(server.asked) == paid, "what was asked before is in the journal"
        assert "a function" in ask(template=template.replace("exactly four", "four"))
        assert server.asked[paid]["messages"][0]["content"] == first[0]["content"].replace("exactly four", "four")
        assert "must start with a line" in ask(template="rewrite it: $content")
        assert "bad placeholder" in ask(template=f"{template}\n$nothing")
        assert "failed name a model" in ask(model=" ")
        assert client.post("/ask", data={"file": file}, headers={"origin": ORIGIN}).status_code == 403
        assert client.post("/ask", data={"token": library.token}, headers={"origin": "http://a.b"}).status_code == 403
        assert library.warehouse.snapshot().versions == tables, "no table has changed"
    gone = ask(model="another")
    assert gone.startswith("failed"), "one line when the server is gone"
    library.close()


def test_nobody_is_asked_where_no_server_is_named(client: TestClient, library: Library) -> None:
    file = library.listing("files", []).page().rows[0]["id"]
    assert "Ask a model again" not in client.get(f"/files/{file}").text
    assert "names no server" in post(client, library, "/ask", file=file, model="m", template="").text


def test_reports_are_served_with_an_origin_of_their_own(client: TestClient, library: Library) -> None:
    library.project.report.parent.mkdir(parents=True, exist_ok=True)
    library.project.report.write_text("<h1>Report</h1>")
    answer = client.get("/reports/quality_report.html")
    assert answer.text == "<h1>Report</h1>"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "/reports/quality_report.html" in client.get("/").text
    assert client.get("/reports/../warehouse").status_code == 404


def test_the_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    from codeio_assets.browse.serving import free_socket
    from codeio_assets.store import StoreError

    with free_socket(0) as first:
        first.listen()
        with pytest.raises(StoreError, match=r"Port \d+ is taken"):
            free_socket(first.getsockname()[1])
