"""Turning records into HTML: the templates' environment and its filters. Everything that comes from tables is escaped.

What does not live here: the pages (`templates`), what they are given (`pages`).
"""

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name  # pyright: ignore[reportUnknownVariableType]

from codeio_assets.browse.differences import Piece, pretty

FOLDER = Path(__file__).parent
LONGEST_TEXT = 100_000
"""Characters of one text that a page shows; the rest is counted."""
LONGEST_CODE = 30_000
_HIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\u2028\u2029\ufeff\x00-\x08\x0b-\x1f\x7f]")
"""Characters that change how a text reads without being seen: directions, zero widths, controls."""


@cache
def environment() -> Environment:
    """Return the templates: whatever is put into them is escaped, and a missing name is an error."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "text": shown, "python": python, "pieces": pieces, "pretty": _pretty, "words": words, "short": short,
        "number": number, "share": share,
    }  # fmt: skip
    return made


def render(template: str, **values: object) -> str:
    """Return a page."""
    return environment().get_template(template).render(**values)


def _seen(value: object) -> object:
    return visible(value) if type(value) is str else value  # what is markup already has been looked at


def visible(text: str) -> str:
    """Return a text with every hidden character as its number, so that nothing reads other than it is."""
    return _HIDDEN.sub(lambda match: f"⟦U+{ord(match[0]):04X}⟧", text)


def shown(text: str | None, limit: int = LONGEST_TEXT) -> Markup:
    """Return a text as HTML, cut at a length with a word about it."""
    if text is None:
        return Markup("–")
    if len(text) <= limit:
        return escape(visible(text))
    rest = len(text) - limit
    return escape(visible(text[:limit])) + Markup("<em> … {} characters more; codeio show has them all</em>").format(
        f"{rest:,}"
    )


def python(code: str | None) -> Markup:
    """Return Python code in colours; what is longer than a screenful of screenfuls stays plain."""
    if code is None or len(code) > LONGEST_CODE:
        return shown(code)
    return Markup(
        highlight(
            visible(code.replace("\r\n", "\n")),
            get_lexer_by_name("python", stripnl=False),
            HtmlFormatter[str](nowrap=True),
        )
    )


def pieces(parts: list[Piece]) -> Markup:
    """Return compared texts; what differs stands in elements that say so without colour as well."""
    made: list[Markup] = []
    room = LONGEST_TEXT
    for part in parts:
        text = escape(visible(part.text[: max(room, 0)]))
        room -= len(part.text)
        name = {"same": None, "differs": "mark", "added": "ins", "removed": "del"}[part.what]
        made.append(Markup(f"<{name}>{text}</{name}>") if name else text)
    return Markup("").join(made)


def _pretty(value_json: str | None) -> Markup:
    return shown(None if value_json is None else pretty(value_json))


def words(code: str) -> str:
    """Return a code such as `no_answer` as words."""
    return code.replace("_", " ")


def short(item_id: str) -> str:
    """Return the beginning of an id."""
    return item_id[:10]


def number(value: float | int | None) -> str:
    """Return a number with separators."""
    return "–" if value is None else f"{value:,}"


def share(value: float | None) -> str:
    """Return a share in percent."""
    return "–" if value is None or value < 0 else f"{value:.0%}" if value in {0, 1} else f"{value:.1%}"
