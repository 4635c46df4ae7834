"""Which names Kubernetes accepts; everything that is written under a wrong one would be refused."""

import re
from collections.abc import Iterator

from openmcp_provider.provider import Problem

__all__ = ["check_label", "check_subdomain"]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_LABEL_LIMIT, _SUBDOMAIN_LIMIT = 63, 253


def check_label(path: str, name: str) -> Iterator[Problem]:
    """Yield what is wrong with a name that must be a DNS label, such as that of a Namespace."""
    want = "write 1 to 63 characters of a-z, 0-9 and -, the first and last no -"
    return _check(path, name, _LABEL, _LABEL_LIMIT, want)


def check_subdomain(path: str, name: str) -> Iterator[Problem]:
    """Yield what is wrong with a name that must be a DNS subdomain, such as that of most objects."""
    want = "write 1 to 253 characters of a-z, 0-9, - and ., the first and last of each part between dots no -"
    return _check(path, name, _SUBDOMAIN, _SUBDOMAIN_LIMIT, want)


def _check(path: str, name: str, pattern: re.Pattern[str], limit: int, want: str) -> Iterator[Problem]:
    if not name:
        yield Problem(path, "is empty", want)
    elif len(name) > limit:
        yield Problem(path, f"is {len(name)} characters long", want)
    elif not pattern.fullmatch(name):
        yield Problem(path, "is no legal name", want)
