from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from dicomweb_server.settings import SettingsError, address, every_setting, load

ROOT = Path(__file__).parents[2]


def test_defaults_work_on_a_laptop() -> None:
    settings, given = load(environment={})
    assert (settings.http.listen, settings.dimse.listen, settings.dimse.aet) == (
        "127.0.0.1:8080",
        "127.0.0.1:11112",
        "DICOMWEB",
    )
    assert {each.origin for each in given} == {"default"}


def test_later_wins_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[dimse]\naet = "FILE"\n[http]\nworkers = 2\ncors_origins = ["https://a.example"]\n')
    environment = {"DICOMWEB_SERVER_HTTP_WORKERS": "3", "DICOMWEB_SERVER_HTTP_ALLOW_DELETE": "yes", "PATH": "/bin"}
    settings, given = load(file=file, environment=environment, flags={"dimse.aet": "FLAG"})
    assert (settings.dimse.aet, settings.http.workers, settings.http.allow_delete) == ("FLAG", 3, True)
    assert settings.http.cors_origins == ("https://a.example",)
    assert {each.key: each.origin for each in given if each.origin != "default"} == {
        "dimse.aet": "flag",
        "http.workers": "environment DICOMWEB_SERVER_HTTP_WORKERS",
        "http.allow_delete": "environment DICOMWEB_SERVER_HTTP_ALLOW_DELETE",
        "http.cors_origins": str(file),
    }


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ('[http]\nlisten = "8080"\n', "http.listen must be HOST:PORT"),
        ('[http]\nworkers = "many"\n', "http.workers must be a whole number"),
        ("[http]\nworkers = -1\n", "must not be negative"),
        ("[http]\nallow_delete = 1\n", "true or false"),
        ('[ingest]\nconflict = "sometimes"\n', "one of keep-first, replace, refuse"),
        ('[http]\nlisen = "x:1"\n', "did you mean 'http.listen'"),
        ("[nonsense]\nx = 1\n", "no setting 'nonsense.x'"),
        ("x = 1\n", "outside of any table"),
        ("[http\n", "not TOML"),
        ('[dimse]\naet = "SEVENTEEN_LETTERS"\n', "1 to 16 characters"),
        ("[http]\ncors_origins = [1]\n", "a list of texts"),
    ],
)
def test_a_wrong_file_is_refused_naming_key_and_file(tmp_path: Path, toml: str, named: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(toml)
    with pytest.raises(SettingsError) as caught:
        load(file=file, environment={})
    assert named in str(caught.value)
    assert str(file) in str(caught.value)


def test_an_unknown_environment_name_is_refused() -> None:
    with pytest.raises(SettingsError, match="HTTP_LISTEN"):
        load(environment={"DICOMWEB_SERVER_HTTP_LISTN": "x"})


@pytest.mark.parametrize(
    ("text", "parts"), [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:104", ("::1", 104)), ("host:0", ("host", 0))]
)
def test_addresses_are_split(text: str, parts: tuple[str, int]) -> None:
    assert address(text) == parts


def test_the_documented_file_holds_every_setting_at_its_default() -> None:
    document = tomllib.loads((ROOT / "config" / "dicomweb-server.toml").read_text())
    written = {f"{section}.{name}": value for section, values in document.items() for name, value in values.items()}
    assert written == {
        key: list(default) if isinstance(default, tuple) else default for key, _, default in every_setting()
    }


def test_every_setting_is_on_its_page() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert [key for key, _, _ in every_setting() if f"`{key}`" not in page] == []
