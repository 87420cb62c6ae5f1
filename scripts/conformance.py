"""Write docs/conformance-statement.md from the code and the settings (PS3.2; C-14)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydicom.datadict import dictionary_description
from pydicom.uid import UID
from starlette.routing import Route

from dicomweb_server.catalog.attributes import INDEXED, REQUIRED
from dicomweb_server.dicom.rendering.media import IMAGES, REPORTS
from dicomweb_server.dicom.syntaxes import MEDIA_TYPES, SYNTAXES, TARGETS
from dicomweb_server.dimse import contexts, statuses
from dicomweb_server.model.query import Level
from dicomweb_server.retrieve.nature import STATES
from dicomweb_server.retrieve.thumbnails import LARGEST, SIDE
from dicomweb_server.settings import Settings
from dicomweb_server.web import datasets, problems
from dicomweb_server.web.app import WebOptions, dicomweb
from dicomweb_server.web.resource import Resource

PAGE = Path(__file__).parents[1] / "docs" / "conformance-statement.md"
DEFAULTS = Settings()

INTRODUCTION = f"""# DICOM conformance statement

For `dicomweb-server`, with its settings at their defaults (docs/configuration.md tells what may differ). Made from
the code by `python scripts/conformance.py`.

## What it is

An archive and cache of DICOM instances for viewers and programs. It is an origin server of the Studies service of
PS3.18 (store, retrieve, search), answers WADO-URI, receives by the Storage service of PS3.4 as SCP, and fetches
from other systems by Query/Retrieve as SCU and by DICOMweb as user agent. It keeps what it received bit by bit.

| role | service | where |
| --- | --- | --- |
| origin server | STOW-RS, WADO-RS, QIDO-RS, WADO-URI | `http://{DEFAULTS.http.listen}{DEFAULTS.http.root}` |
| SCP | Verification, Storage | `{DEFAULTS.dimse.aet}` at `{DEFAULTS.dimse.listen}` |
| SCU | Study Root Query/Retrieve: FIND, GET, MOVE | towards each `[[source]]` of kind pacs |
| user agent | QIDO-RS, WADO-RS | towards each `[[source]]` of kind dicomweb |
"""


def page() -> str:
    """The statement as it should be."""
    return "\n".join([INTRODUCTION, _dicomweb(), _search(), _dimse(), _characters(), _security()])


def _dicomweb() -> str:
    routes = [
        f"| `{route.path}` | {', '.join(m for m in route.endpoint.handlers if m != 'HEAD')} |"
        for route in dicomweb(WebOptions())
        if isinstance(route, Route) and isinstance(route.endpoint, Resource)
    ]
    statuses_ = sorted({(status, error.__name__) for error, status in problems.STATUS.items()})
    return f"""## DICOMweb

### Resources

| path | methods |
| --- | --- |
{chr(10).join(sorted(routes))}

DELETE answers 405 unless `http.allow_delete` is set. `OPTIONS {DEFAULTS.http.root}` answers with the capabilities.

### Media types

| resource | media types |
| --- | --- |
| search | {_code(map(str, datasets.SEARCH))} |
| metadata | {_code(map(str, datasets.METADATA))} |
| instances | `application/dicom`, alone or in `multipart/related`; `application/zip` |
| frames, pixel data, bulk data | {_code(["application/octet-stream", *MEDIA_TYPES])} |
| rendered images; reports | {_code(IMAGES)}; {_code(REPORTS)} |
| store | `application/dicom`; {_code(map(str, datasets.STORE))} with bulk data parts |

Without a transfer syntax named, pixels and instances leave as Explicit VR Little Endian; `transfer-syntax=*` gives
what is stored. Lossy forms are made only where they are named.

Presentation states are rendered as the images they refer to, shown by them (docs/pixels.md): {_uids(STATES)}.

A thumbnail is at most {SIDE} pixels a side, or fits the viewport asked for, of 1 to {LARGEST} a side. A series is
shown by the middle one of its images, a study by the series with most images; what has no picture by an icon.

### Transfer syntaxes

| transfer syntax | UID | kept as received | given for others |
| --- | --- | --- | --- |
{chr(10).join(_syntax(uid) for uid in SYNTAXES)}

Data sets received as Implicit VR, Explicit VR Big Endian or deflated are kept so and leave as Explicit VR Little
Endian.

### Errors

| status | of |
| --- | --- |
{chr(10).join(f"| {status} | {name} |" for status, name in statuses_)}

The body says what is wrong, as JSON or text.
"""


def _syntax(uid: str) -> str:
    return f"| {SYNTAXES[uid].name} | {uid} | yes | {'yes' if uid in TARGETS else ''} |"


def _search() -> str:
    rows = []
    for level in Level:
        indexed = [tag for tag, each in INDEXED.items() if each.level is level]
        returned = [int(tag, 16) for tag in REQUIRED[level]]
        rows.append(f"| {level.name.lower()} | {_names(indexed)} | {_names(returned)} |")
    return f"""### Search

| level | matched by index | always returned |
| --- | --- | --- |
{chr(10).join(rows)}

Any other attribute of the level is matched too, by reading what is stored, within bounds; a `Warning` header tells
where a bound was hit. Matching is single value, UID list, wildcard, range (dates and times together are one
interval), sequence and universal; PN without regard to case and diacritics, and by sound with `fuzzymatching=true`
(docs/search.md). At most {DEFAULTS.http.max_results} matches come in one answer.
"""


def _dimse() -> str:
    wanted = DEFAULTS.dimse
    fates = [f"| {status:04X} | {_sentence(error.__name__)} |" for error, status in statuses.STATUS.items()]
    fates += [f"| {status:04X} | {text or _sentence(fate.name)} |" for fate, (status, text) in statuses.FATES.items()]
    return f"""## DIMSE

### Associations

Application context 1.2.840.10008.3.1.1.1. At most {wanted.max_associations} associations at once,
{wanted.max_associations_per_peer} from one address; PDUs of up to {wanted.max_pdu_bytes} bytes; an association that
is silent for {wanted.idle_seconds:g} s is aborted. Called titles are
{"checked" if wanted.check_called else "not checked"}, calling titles
{"listed" if wanted.calling_aets else "not restricted"} by default. No asynchronous operations.

### Storage SCP

Level 2, no coercion, no digital signatures, no element deleted. {len(contexts.STORAGE_CLASSES)} SOP classes: every
storage class of the standard that belongs to a patient, the retired ones too; private ones by setting. Transfer
syntaxes: {_uids(contexts.TRANSFER_SYNTAXES)}.

Of several in one context: the sender's first if that is compressed, else a lossless compressed one, else
uncompressed.

| status | when |
| --- | --- |
{chr(10).join(sorted(set(fates)))}

### Query/Retrieve SCU

Study Root FIND at study, series and image level; GET, with storage contexts for the SOP classes that FIND named;
MOVE to our own Storage SCP. Sub-operation counts are checked, and only what is missing is asked for again.
"""


def _characters() -> str:
    return """## Character sets

Every defined term of PS3.3 C.12.1.1.2 is read, with and without code extensions, and common misspellings of them.
JSON and XML leave as UTF-8; SpecificCharacterSet of metadata says so. Stored instances keep theirs.
"""


def _security() -> str:
    return """## Security

The server listens on the loopback interface unless told otherwise. Where the site has keys, each HTTP request carries
one, as bearer token or, over TLS, as password, with the right to read, store, delete or operate. TLS belongs to a proxy
in front. Logs hold UIDs and no other patient data.
"""


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def _names(tags: Iterable[int]) -> str:
    return ", ".join(dictionary_description(tag) for tag in sorted(tags))


def _uids(uids: Iterable[str]) -> str:
    return ", ".join(sorted(UID(uid).name for uid in uids))


def _sentence(name: str) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() and not name.isupper() else letter for letter in name)
    return words.replace("_", " ").strip().lower()


if __name__ == "__main__":
    PAGE.write_text(page())
