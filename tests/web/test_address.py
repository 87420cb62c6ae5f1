"""The address of the service as a client sees it."""

from __future__ import annotations

import ipaddress

import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from dicomweb_server.model.errors import BadRequest
from dicomweb_server.web.address import AddressRules, peer, public_base

PROXIES = AddressRules(trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"),))


def base(rules: AddressRules, headers: dict[str, str], peer: str = "10.1.2.3") -> str:
    app = Starlette()
    app.state.address_rules = rules
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "scheme": "http", "server": ("127.0.0.1", 8080), "client": (peer, 5), "headers": fields}
    return public_base(Request({**scope, "app": app}))


@pytest.mark.parametrize(
    ("rules", "headers", "expected"),
    [
        (AddressRules(), {"host": "pacs.example:8080"}, "http://pacs.example:8080/dicomweb"),
        (AddressRules(), {"host": "pacs.example"}, "http://pacs.example/dicomweb"),
        (AddressRules(), {"host": "127.0.0.1"}, "http://127.0.0.1:8080/dicomweb"),
        (AddressRules(), {"host": "localhost"}, "http://localhost:8080/dicomweb"),
        (AddressRules(), {"host": "[::1]:99"}, "http://[::1]:99/dicomweb"),
        (AddressRules(), {}, "http://127.0.0.1:8080/dicomweb"),
        (AddressRules(root="/dw"), {"host": "a:1"}, "http://a:1/dw"),
        (AddressRules(public_base="https://p/x"), {"host": "a:1", "x-forwarded-host": "evil"}, "https://p/x"),
        (AddressRules(), {"host": "a:1", "x-forwarded-host": "evil"}, "http://a:1/dicomweb"),
        (
            PROXIES,
            {"host": "a:1", "x-forwarded-host": "pacs.example", "x-forwarded-proto": "https"},
            "https://pacs.example/dicomweb",
        ),
        (
            PROXIES,
            {"host": "a:1", "forwarded": 'for=1.2.3.4, for=9.9.9.9;host="pacs.example:444";proto=HTTPS'},
            "https://pacs.example:444/dicomweb",
        ),
        (PROXIES, {"host": "a:1", "x-forwarded-prefix": "/images/"}, "http://a:1/images/dicomweb"),
    ],
)
def test_the_address_is_the_one_the_client_used(rules: AddressRules, headers: dict[str, str], expected: str) -> None:
    assert base(rules, headers) == expected


def test_a_stranger_is_not_believed() -> None:
    assert base(PROXIES, {"host": "a:1", "x-forwarded-host": "evil"}, "192.168.0.1") == "http://a:1/dicomweb"


@pytest.mark.parametrize("host", ['a"b', "a/b", "a b", "a\\b", "<x>", "a:1:2", ""])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(BadRequest):
        base(AddressRules(), {"host": host})


@pytest.mark.parametrize(
    ("address", "headers", "expected"),
    [
        ("192.168.0.1", {"x-forwarded-for": "1.2.3.4"}, "192.168.0.1"),
        ("10.1.2.3", {"x-forwarded-for": "6.6.6.6, 1.2.3.4"}, "1.2.3.4"),
        ("10.1.2.3", {"forwarded": 'for=6.6.6.6, for="[2001:db8::1]:99";proto=https'}, "[2001:db8::1]:99"),
        ("10.1.2.3", {}, "10.1.2.3"),
    ],
)
def test_who_asks_is_told_by_trusted_proxies_alone(address: str, headers: dict[str, str], expected: str) -> None:
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert peer({"type": "http", "client": (address, 5), "headers": fields}, PROXIES) == expected
