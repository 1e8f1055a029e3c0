"""What a registry's refusal means, told from the words of Docker or of the registry itself. One table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.errors import ArmError
from bench.secrets import Redactor
from bench.vocabulary import FailureKind

TEXT_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """The first row whose words are found decides."""

    words: re.Pattern[str]
    kind: FailureKind
    repair: str


def _row(words: str, kind: FailureKind, repair: str) -> Refusal:
    return Refusal(re.compile(words, re.IGNORECASE), kind, repair)


LOG_IN = (
    "log in with `docker login {registry}` (nvcr.io: user $oauthtoken, password an NGC key, or set NGC_API_KEY); "
    "if you are logged in, check that this account may read {repository} and that the name is right"
)
FIND = "check name, tag and digest of {reference}; `nimbench pin` resolves a tag anew"
WAIT = "wait as long as the registry says, log in with `docker login {registry}`, or use a mirror of yours"
REACH = "check the network, the proxy and the name of the registry {registry}, then try again"
FREE = "free space where Docker keeps images (`docker system df`), then try again"

REFUSALS = (
    _row(r"no space left on device|disk quota exceeded", FailureKind.DISK_FULL, FREE),
    _row(r"toomanyrequests|too many requests|rate limit", FailureKind.RATE_LIMITED, WAIT),
    _row(r"no matching manifest|does not match the specified platform", FailureKind.IMAGE_NOT_FOUND, FIND),
    _row(
        r"unauthorized|authentication required|no basic auth credentials|denied|\b40[13] (?:unauthorized|forbidden)",
        FailureKind.AUTH,
        LOG_IN,
    ),
    _row(
        r"manifest unknown|name unknown|name_unknown|not found|repository does not exist|\b404\b",
        FailureKind.IMAGE_NOT_FOUND,
        FIND,
    ),
)
_OTHER = Refusal(re.compile(""), FailureKind.DOWNLOAD, REACH)


def refusal_of(text: str) -> Refusal:
    """The row for these words; what no row knows is a download that failed."""
    return next((row for row in REFUSALS if row.words.search(text)), _OTHER)


def refused(kind: FailureKind, reference: str, registry: str, repository: str, text: str, *, arm: str = "") -> ArmError:
    """The error that a user sees. `text` comes from another program: bounded, on one line."""
    repair = next((row.repair for row in (*REFUSALS, _OTHER) if row.kind is kind), REACH)
    filled = repair.format(registry=registry, repository=repository, reference=reference)
    words = " ".join(Redactor().text(text).split())
    words = words if len(words) <= TEXT_CHARACTERS else words[: TEXT_CHARACTERS - 1] + "…"
    return ArmError(kind, f"{f'{arm}: ' if arm else ''}{reference}: {words}", repair=filled)
