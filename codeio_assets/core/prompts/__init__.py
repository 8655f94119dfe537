"""Prompt templates: one file per template, filled by `string.Template`, identified by the hash of its text.

A template is a list of chat messages; a line `=== <role>` starts each. Values go in as given: callers pass JSON for
data (`core.values.canonical`). A version (`chat.prompt_version`) is a folder of files that replace some of these:
`code_first` words the sentence before the code alike in both directions, so that a server's prefix cache holds a
function's code for all of its tasks; `state_lines` asks for lines that `core.method.grounding` checks. A folder of
one's own (`chat.prompts`) comes before both.

What does not live here: what to ask whom (`core.method.transform`, `core.method.tasks`, `core.method.revision`).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from codeio_assets.core.values.canonical import sha256_hex

HERE = Path(__file__).parent
ROLE_LINE = re.compile(r"^=== (system|user|assistant)\n", re.MULTILINE)


class PromptError(ValueError):
    """A template that cannot be used; the message names the file and what to change."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template: `sha256` identifies its text; `messages` are (role, template text)."""

    name: str
    sha256: str
    messages: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The template as a person edits it; what `read_prompt` reads."""
        return "\n\n".join(f"=== {role}\n{text}" for role, text in self.messages)

    def fill(self, **values: str) -> list[tuple[str, str]]:
        """Return the messages with every `$name` replaced.

        Raises:
            PromptError: the template wants a value that is not given.
        """
        try:
            return [(role, Template(text).substitute(values)) for role, text in self.messages]
        except (KeyError, ValueError) as error:
            raise PromptError(
                f"prompt {self.name}: bad placeholder {error}; known: {', '.join('$' + v for v in values)}; "
                "write $$ for a dollar sign"
            ) from None


def load_prompt(name: str, folder: Path | None = None, version: str = "default") -> Prompt:
    """Load a template by name, from the user's folder if it has one of that name, else of a version.

    Raises:
        PromptError: no such template, or it has no `=== role` line.
    """
    folders = (*((folder,) if folder else ()), HERE / version, HERE)
    path = next((place for one in folders if (place := one / f"{name}.md").exists()), None)
    if path is None:
        raise PromptError(f"prompt {name}: {HERE / f'{name}.md'} does not exist")
    return read_prompt(name, path.read_text(encoding="utf-8"), str(path))


def read_prompt(name: str, text: str, where: str) -> Prompt:
    """Return the template that a text is; `where` says to people where it stands.

    Raises:
        PromptError: it has no `=== role` line.
    """
    parts = ROLE_LINE.split(text)
    if len(parts) < 3 or parts[0].strip():
        raise PromptError(f"prompt {where}: must start with a line `=== system`, `=== user` or `=== assistant`")
    messages = tuple((role, body.strip("\n")) for role, body in zip(parts[1::2], parts[2::2], strict=True))
    return Prompt(name, sha256_hex(text), messages)
