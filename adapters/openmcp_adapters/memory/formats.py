"""The texts that a server accepts: names, labels, finalizers, and the formats of schemas."""

import base64
import binascii
import ipaddress
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime

__all__ = ["dns_label", "dns_subdomain", "format_problem", "is_base64", "label_value", "qualified_name"]

_LABEL_LIMIT = 63
_SUBDOMAIN_LIMIT = 253

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_DURATION = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)\s*[a-zµμ]+((\d+(\.\d*)?|\.\d+)\s*[a-zµμ]+)*|0")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[-+]\d\d:\d\d)")


def dns_label(text: str) -> str:
    """Return what is wrong with a DNS label, empty if nothing is."""
    if len(text) > _LABEL_LIMIT:
        return f"must be no more than {_LABEL_LIMIT} characters"
    return "" if _DNS_LABEL.fullmatch(text) else "a lowercase RFC 1123 label is a-z, 0-9 and -, no - at its ends"


def dns_subdomain(text: str) -> str:
    """Return what is wrong with a DNS subdomain, empty if nothing is."""
    if len(text) > _SUBDOMAIN_LIMIT:
        return f"must be no more than {_SUBDOMAIN_LIMIT} characters"
    return "" if _DNS_SUBDOMAIN.fullmatch(text) else "a lowercase RFC 1123 subdomain is a-z, 0-9, - and ."


def qualified_name(text: str) -> str:
    """Return what is wrong with the key of a label or annotation, or with a finalizer; empty if nothing is."""
    prefix, slash, name = text.rpartition("/")
    if slash and (problem := dns_subdomain(prefix) if prefix else "prefix part must not be empty"):
        return problem
    if len(name) > _LABEL_LIMIT:
        return f"name part must be no more than {_LABEL_LIMIT} characters"
    return (
        "" if _NAME_PART.fullmatch(name) else "name part is letters, digits, -, _ and ., a letter or digit at its ends"
    )


def label_value(text: str) -> str:
    """Return what is wrong with the value of a label, empty if nothing is."""
    if len(text) > _LABEL_LIMIT:
        return f"must be no more than {_LABEL_LIMIT} characters"
    return "" if not text or _NAME_PART.fullmatch(text) else "a valid label is letters, digits, -, _ and ."


def is_base64(text: str) -> bool:
    """Tell whether the text is standard base64."""
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _date_time(text: str) -> bool:
    return bool(_RFC3339.fullmatch(text)) and _reads(datetime.fromisoformat)(text.upper())


def _reads(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[-+]\d\d:\d\d)")

_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date-time": _date_time,
    "micro-time": lambda text: bool(_MICRO_TIME.fullmatch(text)) and _date_time(text),
    "date": _reads(date.fromisoformat),
    "duration": lambda text: bool(_DURATION.fullmatch(text)),
    "byte": is_base64,
    "uuid": _reads(uuid.UUID),
    "ipv4": _reads(ipaddress.IPv4Address),
    "ipv6": _reads(ipaddress.IPv6Address),
    "cidr": _reads(ipaddress.ip_network),
}


def format_problem(name: str, text: str) -> bool:
    """Tell whether a text violates a format; formats that are not known here accept all."""
    check = _FORMATS.get(name)
    return check is not None and not check(text)
