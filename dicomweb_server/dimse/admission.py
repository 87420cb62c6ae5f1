"""Whether an association is let in at all: protocol, application context and AE titles (PS3.8 9.3.4, D-01)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from dicomweb_server.dimse.proposal import APPLICATION_CONTEXT, Proposal


@dataclass(frozen=True, slots=True)
class Rejection:
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    result: int
    source: int
    reason: int
    text: str


BAD_PROTOCOL = Rejection(1, 2, 2, "protocol version not supported")
BAD_APPLICATION_CONTEXT = Rejection(1, 1, 2, "application context not supported")
CALLING_UNKNOWN = Rejection(1, 1, 3, "calling AE title not recognised")
CALLED_UNKNOWN = Rejection(1, 1, 7, "called AE title not recognised")
LIMIT_REACHED = Rejection(2, 3, 2, "as many associations as are allowed")


@dataclass(frozen=True, slots=True)
class TitleRules:
    """Who may call, and by which name we are to be called. Titles are case-sensitive."""

    aet: str
    check_called: bool = False
    """Refuse whoever calls us by another title than ``aet``."""
    calling: Mapping[str, Sequence[str]] | None = None
    """Calling AE titles let in, each with the addresses or networks it may call from (none: any); None lets all in."""

    def __post_init__(self) -> None:
        for networks in (self.calling or {}).values():
            for network in networks:
                ip_network(network)

    def judge(self, proposal: Proposal, address: str) -> Rejection | None:
        """Why the association is refused; None lets it in."""
        if not proposal.version & 1:
            return BAD_PROTOCOL
        if proposal.application_context != APPLICATION_CONTEXT:
            return BAD_APPLICATION_CONTEXT
        if self.check_called and proposal.called_aet != self.aet:
            return CALLED_UNKNOWN
        if self.calling is not None and not self._may_call(self.calling.get(proposal.calling_aet), address):
            return CALLING_UNKNOWN
        return None

    @staticmethod
    def _may_call(networks: Sequence[str] | None, address: str) -> bool:
        if networks is None:
            return False
        return not networks or any(ip_address(address) in ip_network(network) for network in networks)
