"""What the service says of itself."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.web import making

WADL = "{http://wadl.dev.java.net/2009/02}"


@pytest.mark.parametrize(
    ("method", "path"), [("OPTIONS", "/dicomweb/"), ("OPTIONS", "/dicomweb"), ("GET", "/dicomweb/capabilities")]
)
async def test_the_service_describes_itself_in_wadl(method: str, path: str) -> None:
    async with making.client() as client:
        answer = await client.request(method, path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.sun.wadl+xml"
    (resources,) = ElementTree.fromstring(answer.content)
    assert resources.get("base") == "http://testserver/dicomweb"
    searches = {resource.get("path"): resource for resource in resources}
    named = {param.get("name") for param in searches["/studies"].iter(f"{WADL}param")}
    assert named >= {"limit", "offset", "includefield", "fuzzymatching", "PatientName", "00100010", "Accept"}
    assert {method.get("name") for method in searches["/studies"]} == {"GET", "HEAD", "POST"}


async def test_the_service_describes_itself_in_json() -> None:
    async with making.client() as client:
        answer = await client.options("/dicomweb/", headers={"accept": "application/json"})
        again = await client.options(
            "/dicomweb/", headers={"accept": "application/json", "if-none-match": answer.headers["etag"]}
        )
    (studies,) = (resource for resource in answer.json()["resources"] if resource["path"] == "/studies")
    (post,) = (method for method in studies["methods"] if method["name"] == "POST")
    assert "application/dicom" in post["takes"]
    assert again.status_code == 304


async def test_a_preflight_is_no_question_about_capabilities() -> None:
    asking = {"origin": "http://localhost", "access-control-request-method": "GET"}
    async with making.client() as client:
        answer = await client.options("/dicomweb/", headers=asking)
    assert (answer.status_code, answer.content) == (204, b"")


async def test_the_capabilities_name_parameters_types_and_syntaxes() -> None:
    """K-03"""
    async with making.client() as client:
        answer = await client.options("/dicomweb/", headers={"accept": "application/json"})
    told = answer.json()
    gets = {each["path"]: method for each in told["resources"] for method in each["methods"] if method["name"] == "GET"}
    assert told["characterSets"] == ["utf-8"]
    keys = {"PatientID", "00100020", "fuzzymatching", "emptyvaluematching", "multiplevaluematching", "limit", "offset"}
    assert keys <= set(gets["/studies"]["query"])
    frames = gets["/studies/{study}/series/{series}/instances/{instance}/frames/{frames}"]["gives"]
    assert "image/jls; transfer-syntax=1.2.840.10008.1.2.4.80" in frames
    assert "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1" in frames
    assert "application/dicom; transfer-syntax=1.2.840.10008.1.2.1" in gets["/studies/{study}"]["gives"]
    assert "application/dicom+json" in gets["/studies/{study}/metadata"]["gives"]
    rendered = gets["/studies/{study}/rendered"]
    assert {"viewport", "window", "quality"} <= set(rendered["query"])
    assert "image/jpeg" in rendered["gives"]
