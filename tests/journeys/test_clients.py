"""The dicomweb clients of Python and JavaScript, as their users run them (viewer-expectations 2)."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient

from tests.corpus import path
from tests.journeys.server import RunningServer

CT = "generated/ts/ct_evle.dcm"


@pytest.fixture(scope="module")
def ct() -> pydicom.Dataset:
    return pydicom.dcmread(path(CT))


@pytest.fixture
def client(holding_corpus: RunningServer) -> DICOMwebClient:
    return DICOMwebClient(url=holding_corpus.dicomweb)


def test_python_searches_by_name_with_a_star(client: DICOMwebClient, ct: pydicom.Dataset) -> None:
    family = str(ct.PatientName).split("^")[0]
    found = client.search_for_studies(search_filters={"PatientName": f"{family[:4]}*"})
    assert ct.StudyInstanceUID in [study["0020000D"]["Value"][0] for study in found]


def test_python_pages_until_the_end(client: DICOMwebClient) -> None:
    whole = client.search_for_instances(limit=10_000)
    paged = client.search_for_instances(limit=50, get_remaining=True)
    assert [i["00080018"] for i in paged] == [i["00080018"] for i in whole]


def test_python_reads_metadata(client: DICOMwebClient, ct: pydicom.Dataset) -> None:
    metadata = client.retrieve_instance_metadata(ct.StudyInstanceUID, ct.SeriesInstanceUID, ct.SOPInstanceUID)
    assert metadata["00280010"]["Value"] == [ct.Rows]


def test_python_retrieves_the_instance_bit_exact(client: DICOMwebClient, ct: pydicom.Dataset) -> None:
    got = client.retrieve_instance(ct.StudyInstanceUID, ct.SeriesInstanceUID, ct.SOPInstanceUID)
    assert got.PixelData == ct.PixelData
    assert got == ct


def test_python_retrieves_frames(client: DICOMwebClient, ct: pydicom.Dataset) -> None:
    (frame,) = client.retrieve_instance_frames(ct.StudyInstanceUID, ct.SeriesInstanceUID, ct.SOPInstanceUID, [1])
    assert np.array_equal(np.frombuffer(frame, "<i2").reshape(ct.Rows, ct.Columns), ct.pixel_array)


def test_python_stores_and_finds_again(server: RunningServer, ct: pydicom.Dataset) -> None:
    client = DICOMwebClient(url=server.dicomweb)
    answer = client.store_instances([ct])
    assert answer.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == ct.SOPInstanceUID
    assert client.search_for_studies()[0]["00201208"]["Value"] == [1]


JS = """
const { api } = require('dicomweb-client');
(async () => {
  const [url, study, series, instance] = process.argv.slice(2);
  const client = new api.DICOMwebClient({ url });
  const studies = await client.searchForStudies({ queryParams: { StudyInstanceUID: study } });
  const metadata = await client.retrieveSeriesMetadata({ studyInstanceUID: study, seriesInstanceUID: series });
  const frames = await client.retrieveInstanceFrames({
    studyInstanceUID: study, seriesInstanceUID: series, sopInstanceUID: instance, frameNumbers: [1] });
  const whole = await client.retrieveInstance({
    studyInstanceUID: study, seriesInstanceUID: series, sopInstanceUID: instance });
  console.log(JSON.stringify({ studies: studies.length, metadata: metadata.length,
    frame: Buffer.from(frames[0]).toString('base64'), whole: whole.byteLength }));
})();
"""


def test_javascript_retrieves_what_ohif_needs(
    holding_corpus: RunningServer, node_modules: Path, ct: pydicom.Dataset
) -> None:
    script = node_modules / "read.cjs"
    script.write_text("globalThis.XMLHttpRequest = require('xhr2');\n" + JS)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", "xhr2"], cwd=node_modules, check=True)
    done = subprocess.run(
        ["node", script, holding_corpus.dicomweb, ct.StudyInstanceUID, ct.SeriesInstanceUID, ct.SOPInstanceUID],
        cwd=node_modules,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    got = json.loads(done.stdout)
    assert (got["studies"], base64.b64decode(got["frame"])) == (1, ct.PixelData)
