from __future__ import annotations

import runpy
import tomllib
from pathlib import Path

import pytest

from dicomweb_server.loading import load
from dicomweb_server.settings import SettingsError, address, every_setting

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
        ("[http]\nworkers = 0\n", "at least 1"),
        ('[http]\nroot = "dicomweb"\n', "a path such as /dicomweb"),
        ('[http]\npublic_url = "images.example"\n', "begin with http:// or https://"),
        ('[http]\ntrusted_proxies = ["proxy"]\n', "http.trusted_proxies: not an address or network: 'proxy'"),
        ('[dimse]\ncalling_aets = ["PACS@10.0.0.300"]\n', "not an address or network: '10.0.0.300'"),
        ('[storage]\ncatalog = "mysql://host/name"\n', "begin with sqlite:/// or postgresql://"),
    ],
)
def test_a_wrong_file_is_refused_naming_key_and_file(tmp_path: Path, toml: str, named: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(toml)
    with pytest.raises(SettingsError) as caught:
        load(file=file, environment={})
    assert named in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: No such file"):
        load(file=tmp_path / "nowhere.toml", environment={})


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"no setting 'http.worker'; did you mean 'http.workers'"):
        load(environment={}, flags={"http.worker": "2"})


def test_an_unknown_environment_name_is_refused() -> None:
    with pytest.raises(SettingsError, match="HTTP_LISTEN"):
        load(environment={"DICOMWEB_SERVER_HTTP_LISTN": "x"})


def test_callers_are_titles_with_or_without_their_networks() -> None:
    settings, _ = load(environment={"DICOMWEB_SERVER_DIMSE_CALLING_AETS": "A, B@10.0.0.7, B@10.1.0.0/16"})
    assert settings.dimse.calling_titles == {"A": [], "B": ["10.0.0.7/32", "10.1.0.0/16"]}


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


def test_file_and_page_are_what_the_settings_say() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "configuration.py"))
    assert {path: path.read_text() for path in made["pages"]()} == made["pages"]()


def test_the_conformance_statement_is_what_the_code_says() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "conformance.py"))
    assert made["PAGE"].read_text() == made["page"]()


def test_every_setting_has_its_sentence() -> None:
    texts = runpy.run_path(str(ROOT / "scripts" / "configuration.py"))["documented"]()
    assert [key for key, _, _ in every_setting() if not texts.get(key)] == []
