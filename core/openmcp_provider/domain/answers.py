"""Errors with which a tenant cluster answers, in words: what it says, and who can do something about it.

A server that answers is there, so nothing of this is about access, save where its rights management refuses.
"""

import re
from collections.abc import Mapping

from openmcp_provider.domain.errors import Forbidden, Invalid, NotFound, PortError

__all__ = ["denied_by_rights", "explained", "quoted"]

_LONGEST = 300
_RIGHTS = re.compile(r'\bUser "[^"]*" cannot ')
_TERMINATING = re.compile(r"\bbeing terminated\b")
_RULES: Mapping[str, re.Pattern[str]] = {
    "a quota": re.compile(r"\bexceeded quota\b|\bmaximum \w+ usage per\b"),
    "an admission policy": re.compile(r"\bValidatingAdmissionPolicy\b|\bviolates PodSecurity\b"),
    "an admission webhook": re.compile(r"\badmission webhook\b|\bfailed calling webhook\b"),
    "a conversion webhook": re.compile(r"\bconversion webhook\b"),
}


def denied_by_rights(error: PortError) -> bool:
    """Tell whether the credentials lack a right: the server's own words, or none that tell of anything else."""
    return isinstance(error, Forbidden) and not (_TERMINATING.search(error.message) or _rule(error.message))


def quoted(reason: str, message: str, *, secret: bool) -> str:
    """Return an error in parentheses: its kind, and the server's words on one line, except about Secrets."""
    words = " ".join(message.split())
    if secret or not words:
        return f"({reason})"
    return f"({reason}: {words if len(words) <= _LONGEST else words[: _LONGEST - 1] + '…'})"


def explained(error: PortError, title: str) -> str:
    """Return what stands behind an error of a tenant cluster and who acts.

    Args:
        error: What it answered.
        title: What people call the cluster.
    """
    if isinstance(error, Forbidden) and _TERMINATING.search(error.message):
        return "Its namespace is being deleted by somebody; it is written once that is over. Nothing to do."
    rule = _rule(error.message)
    if rule:
        return f"It is {rule} on the {title} that fails or refuses: change that there. This is retried automatically."
    if isinstance(error, NotFound):
        return f"The {title} does not serve this kind, or its namespace is gone. {_OPERATOR}"
    if isinstance(error, Invalid):
        return f"The {title} does not accept it. {_OPERATOR}"
    return _OPERATOR


_OPERATOR = "This is retried automatically; if it persists, ask the platform operator."


def _rule(message: str) -> str:
    """Return which of the tenant's own rules refuses, empty if none does."""
    return next((rule for rule, pattern in _RULES.items() if pattern.search(message)), "")
