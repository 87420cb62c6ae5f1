"""An installed OHIF at ``/viewer``, configured for this server.

OHIF's build asks for its own files from the root of the origin. So what no other route knows is looked for in its
folder last of all. The viewer is isolated (COOP, COEP): volumes need SharedArrayBuffer, and browsers give it only then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dicomweb_server.model.errors import NotFound
from dicomweb_server.web import files

BASE = "/viewer"
CONFIG = "app-config.js"

_HEADERS = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    # The viewer is to call nobody but this server.
    "content-security-policy": (
        "default-src 'self' blob: data:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'"
    ),
    "referrer-policy": "no-referrer",
}


async def application(request: Request) -> Response:
    """GET /viewer, /viewer/{path}: a file of the viewer, or its page for what it routes itself."""
    path: str = request.path_params.get("path", "")
    folder = _folder(request)
    if path.rpartition("/")[2] == CONFIG:
        return configuration(request)
    name = path if "." in path.rpartition("/")[2] else "index.html"
    return await files.served(request, folder, name, _HEADERS)


async def asset(request: Request) -> Response:
    """GET /{path}: what no other route knows may be a file of the viewer."""
    path: str = request.path_params["path"]
    folder = _folder(request)
    if path == CONFIG:
        return configuration(request)
    return await files.served(request, folder, path, _HEADERS)


def is_installed(folder: Path | None) -> bool:
    return folder is not None and (folder / "index.html").is_file()


def configuration(request: Request) -> Response:
    """``app-config.js``, with the address the browser itself uses."""
    root: str = request.app.state.address_rules.root
    source = orjson.dumps(_source()).decode()
    settings = orjson.dumps(_SETTINGS).decode()
    script = (
        f"const root = window.location.origin + {orjson.dumps(root).decode()};\n"
        f"const source = {source};\n"
        "Object.assign(source.configuration, { qidoRoot: root, wadoRoot: root, wadoUriRoot: root });\n"
        f"window.config = {settings};\n"
        "window.config.dataSources = [source];\n"
    )
    return Response(script, headers={**_HEADERS, "cache-control": "no-cache", "content-type": files.TYPES[".js"]})


def _folder(request: Request) -> Path:
    folder: Path | None = request.app.state.viewer
    if folder is None:
        raise NotFound("there is no such resource")
    return folder


_SETTINGS: dict[str, Any] = {
    "routerBasename": BASE,
    "extensions": [],
    "modes": [],
    "customizationService": {},
    "showStudyList": True,
    "maxNumberOfWebWorkers": 3,
    "showWarningMessageForCrossOrigin": True,
    "showCPUFallbackMessage": True,
    "showLoadingIndicator": True,
    "strictZSpacingForVolumeViewport": True,
    "groupEnabledModesFirst": True,
    "maxNumRequests": {"interaction": 100, "thumbnail": 5, "prefetch": 25},
    "investigationalUseDialog": {"option": "never"},
    "defaultDataSourceName": "dicomweb",
}


def _source() -> dict[str, Any]:
    return {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "dicomweb",
        "configuration": {
            "friendlyName": "This server",
            "name": "dicomweb",
            "qidoSupportsIncludeField": True,
            "supportsFuzzyMatching": True,
            "supportsWildcard": True,
            "supportsReject": False,
            "imageRendering": "wadors",
            "thumbnailRendering": "wadors",
            "enableStudyLazyLoad": True,
            "dicomUploadEnabled": True,
            "omitQuotationForMultipartRequest": True,
            "bulkDataURI": {"enabled": True, "relativeResolution": "studies"},
        },
    }
