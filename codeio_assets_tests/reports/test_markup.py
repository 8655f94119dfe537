import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeio_assets.reports.examples import shortened
from codeio_assets.reports.markup import MAX_TABLE_ROWS, Markup, cell, data_table, element, escaped, script_json
from codeio_assets.reports.plotting import MAX_LABEL, label


@given(st.text())
def test_text_can_neither_open_nor_close_anything(text):
    for result in (escaped(text), label(text)):
        assert "<" not in result
        assert ">" not in result
    assert '"' not in escaped(text)
    assert "'" not in escaped(text)


@given(st.text())
def test_json_in_a_script_means_the_same_and_cannot_end_it(text):
    written = script_json({text: [text]})
    assert json.loads(written) == {text: [text]}
    assert not set("<>&\u2028\u2029") & set(written)


def test_elements_escape_text_and_attributes_but_not_elements():
    made = element("p", "a<b", element("b", "&"), title='"x"', class_="c", aria_label="d", id=None)
    assert made == '<p title="&quot;x&quot;" class="c" aria-label="d">a&lt;b<b>&amp;</b></p>'


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("rows", 1234567, "1,234,567"),
        ("share", 0.12345, "12.3%"),
        ("share_so_far", 1.0, "100.0%"),
        ("padding_ratio", 0.5, "50.0%"),
        ("loss_after", 1.23456, "1.235"),
        ("share", None, "–"),
        ("is_degenerate", True, "yes"),
        ("path", "a/b.py", "a/b.py"),
        ("function_id", "0123456789abcdef" * 4, "0123456789abcdef"),
    ],
)
def test_values_are_written_for_people(column, value, text):
    assert cell(column, value) == text


def test_long_tables_are_cut_and_say_so():
    rows = [{"n": number} for number in range(MAX_TABLE_ROWS + 1)]
    made = data_table(["n"], rows, "numbers")
    assert made.count("<tr>") == MAX_TABLE_ROWS + 1
    assert f"The first {MAX_TABLE_ROWS} of {len(rows)} rows." in made
    assert "The first" not in data_table(["n"], rows[:-1], "numbers")


def test_labels_are_short():
    assert len(label("x" * 100)) == MAX_LABEL
    assert label("a\n  b") == "a b"


def test_shortened_text_tells_how_much_is_missing():
    assert shortened("abc", 3) == "abc"
    assert shortened("<b>abc", 3) == Markup("&lt;b&gt;<em> … 3 characters more</em>")
