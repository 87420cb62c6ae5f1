"""Settings of the background work, of who is told, and of what is written down."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The background. While more than ten instances a second come in, pictures wait, for half a minute at most."""

    threads: int = 2
    """Tickets worked off side by side in the worker process."""
    attempts: int = 5
    """Tries before a ticket is given up and rests as a dead letter."""
    lease_seconds: float = 60.0
    """A worker that was not heard of for so long is taken for dead, and others do what it had begun."""
    decoders: int = 2
    """Processes that decode quick images, at most, for each process that needs them; as many more for slow ones."""
    decode_seconds: float = 30.0
    """A decoder that works on one image for longer is killed."""
    decode_memory_bytes: int = 2 << 30
    """Memory a decoder may take."""
    htj2k: str = "off"
    """off, accepted, preferred: keep uncompressed images in HTJ2K too, for who names that, or for who takes any."""
    stuck_seconds: float = 1800.0
    """After so long without an arrival somebody is told of a series that is being fetched. 0: never."""
    tombstone_days: float = 365.0
    """For so long what was deleted answers 410 instead of 404. 0: for ever."""
    sweep_seconds: float = 300.0
    """How often lost work is looked for, and what crashes left behind is removed."""
    derived_bytes: int = 2 << 30
    """Bytes kept of what was transcoded or rendered for somebody; the longest unused go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Who is told when something needs a person, such as work that was given up. It always stands in the log."""

    webhook: str = ""
    """URL that gets each notice as JSON, by POST."""
    mail_to: tuple[str, ...] = ()
    """Addresses that get each notice by mail."""
    mail_from: str = ""
    """Address of the sender."""
    mail_server: str = "localhost:25"
    """HOST:PORT of the mail server."""
    mail_starttls: bool = False
    """Encrypt the connection to the mail server."""
    mail_user: str = ""
    """Log in to the mail server as; only with mail_starttls."""
    mail_password_env: str = ""
    """Environment variable that holds the password for it."""
    least_free: float = 0.1
    """Somebody is told when less than this share of the disk is free. 0: never."""
    health_seconds: float = 60.0
    """How often the disk is looked at, and each source asked whether it answers."""
    quiet_seconds: float = 300.0
    """A notice of the same kind is not sent again within this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What is written down."""

    level: str = "info"
    """debug, info, warning or error."""
    format: str = "auto"
    """text, json, or auto: text on a terminal, json otherwise."""
    requests: bool = False
    """A line for each HTTP request: its id, transaction, status, bytes and seconds; neither path nor query."""
