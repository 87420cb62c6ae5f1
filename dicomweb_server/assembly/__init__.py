"""Settings in, doors out: the only room that opens backends.

Everything opened here is closed again, in the opposite order, when its ``with`` block ends. Nothing is opened before
it is asked for: processes fork first.
"""

from dicomweb_server.assembly.backends import Backends, open_backends
from dicomweb_server.assembly.caching import eviction
from dicomweb_server.assembly.doors import open_dimse, open_web
from dicomweb_server.assembly.receiving import open_receive
from dicomweb_server.assembly.upstream import open_sources
from dicomweb_server.assembly.work import open_worker

__all__ = [
    "Backends",
    "eviction",
    "open_backends",
    "open_dimse",
    "open_receive",
    "open_sources",
    "open_web",
    "open_worker",
]
