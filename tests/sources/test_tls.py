"""Sources that speak TLS: checked against the authority the settings name, with our certificate where they ask."""

from __future__ import annotations

import gc
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from ssl import CERT_REQUIRED, PROTOCOL_TLS_SERVER, SSLContext

import pytest

from dicomweb_server.assembly import open_backends, open_sources
from dicomweb_server.loading import load
from dicomweb_server.settings import SettingsError
from dicomweb_server.sources.base import Checked
from tests.corpus import path
from tests.ports import free_port
from tests.pulling.orthanc import orthanc

# pynetdicom leaves the socket of a refused connection to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Here, and not in whatever test comes later."""
    yield
    gc.collect()


@dataclass(frozen=True)
class Certificates:
    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    def of(self, name: str) -> tuple[Path, Path]:
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, and what it signed for the peer and for us."""
    folder = tmp_path_factory.mktemp("certificates")
    made = Certificates(folder)
    root = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj")
    openssl("req", *root, "/CN=authority", "-keyout", folder / "authority.key", "-out", made.authority)
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("peer", "us"):
        certificate, key = made.of(name)
        request = folder / f"{name}.csr"
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signing = ("-CA", made.authority, "-CAkey", folder / "authority.key", "-CAcreateserial", "-days", "2")
        openssl("x509", "-req", "-in", request, *signing, "-extfile", folder / "names", "-out", certificate)
    return made


class Asking(BaseHTTPRequestHandler):
    keys: list[str | None]

    def do_GET(self) -> None:
        self.keys.append(self.headers.get("X-Api-Key"))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to standard error."""


@pytest.fixture
def web(certificates: Certificates) -> Iterator[int]:
    Asking.keys = []
    server = HTTPServer(("127.0.0.1", 0), Asking)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates.of("peer"))
    context.load_verify_locations(certificates.authority)
    context.verify_mode = CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    running = threading.Thread(target=server.serve_forever)
    running.start()
    yield server.server_port
    server.shutdown()
    running.join()
    server.server_close()


def first_trial(folder: Path, table: str) -> Checked:
    """What ``doctor`` says first of the one source of a settings file."""
    file = folder / "site.toml"
    file.write_text(f'[storage]\ndata = "{folder / "data"}"\n[[source]]\nname = "there"\n{table}')
    settings, _ = load(file=file, environment={})
    with ExitStack() as stack:
        backends = stack.enter_context(open_backends(settings))
        sources = stack.enter_context(open_sources(settings, backends))
        return next(iter(sources["there"].check()))


def tls(certificates: Certificates, *, ours: bool) -> str:
    certificate, key = certificates.of("us")
    mine = f'tls_cert = "{certificate}"\ntls_key = "{key}"\n' if ours else ""
    return f'tls_ca = "{certificates.authority}"\n{mine}'


def test_a_dicomweb_source_by_https_gets_our_certificate_and_headers(
    web: int, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE_KEY", "sesame")
    table = f'kind = "dicomweb"\nurl = "https://127.0.0.1:{web}/dicomweb"\nheaders_env = ["X-Api-Key=SITE_KEY"]\n'
    assert first_trial(tmp_path, table + tls(certificates, ours=True)).works
    assert Asking.keys == ["sesame"]


def test_a_dicomweb_source_that_cannot_prove_who_it_is_gets_nothing(web: int, tmp_path: Path) -> None:
    table = f'kind = "dicomweb"\nurl = "https://127.0.0.1:{web}/dicomweb"\ntimeout_seconds = 2.0\n'
    assert not first_trial(tmp_path, table).works
    assert Asking.keys == []


def test_a_pacs_by_tls(certificates: Certificates, tmp_path: Path) -> None:
    certificate, key = certificates.of("peer")
    port = free_port()
    settings = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(certificate),
        "DicomTlsPrivateKey": str(key),
        "DicomTlsTrustedCertificates": str(certificates.authority),
        "DicomPort": port,
        "DicomAlwaysAllowEcho": True,
    }
    with orthanc(tmp_path / "pacs", [], settings):
        table = f'kind = "pacs"\nhost = "127.0.0.1"\nport = {port}\ncalled_aet = "ORTHANC"\n'
        assert first_trial(tmp_path, table + "tls = true\n" + tls(certificates, ours=True)).works
        assert not first_trial(tmp_path, table).works, "without TLS it hangs up"


def test_a_certificate_that_cannot_be_read_is_named_at_start(tmp_path: Path) -> None:
    table = f'kind = "dicomweb"\nurl = "https://127.0.0.1:1/"\ntls_ca = "{path("generated/ts/ct_evle.dcm")}"\n'
    with pytest.raises(SettingsError, match="source there: tls_ca"):
        first_trial(tmp_path, table)
