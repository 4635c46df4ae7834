"""Foreign text: what Flux, registries and Helm say, made fit for a status, and sorted by what it means.

A status is read by tenants and written again whenever its text changes. So nothing secret may stay in the text, and
nothing that differs from one try to the next.
"""

import re
from typing import Literal, NamedTuple

__all__ = [
    "LIMIT",
    "AccessFailure",
    "ChartFailure",
    "PullFailure",
    "access_failure",
    "chart_failure",
    "helm_cause",
    "normalise",
    "pull_failure",
]

LIMIT = 500
"""Characters of foreign text in a message."""

_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_CLOSING = "\"'`>)]}.,:;"
_USERINFO = re.compile(r"://[^\s/@]*@")
# Each replacement has fewer digits than what it stands for, or as many and is shorter: repeating them comes to an end.
# A UUID that ends a longer name, such as that of a tenant's namespace, is no request id.
_UNSTEADY = (
    (re.compile(r"\b(dial|read|write) (tcp|udp)[46]? \S+(?=: )"), r"\1 \2"),
    (re.compile(r"[\w.:\[\]%-]{1,80}:\d{1,5}->"), ""),
    (re.compile(r"(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"), "<id>"),
    (re.compile(r"(?i)\b((?:request|correlation|trace)[ _-]?id)[\"']?\s?[:=]\s?[\"']?[\w.-]*\d[\w.-]*"), r"\1"),
    (re.compile(r"\b\d+ attempt(?:\(s\)|s)?"), "several attempts"),
    (re.compile(r"(?i)\b(attempt|retry|try) #?\d+(?:(?: of |/)\d+)?"), r"\1"),
    (re.compile(r"\bcurrent time \S*\d\S*"), "current time"),
    (re.compile(r"\b(?:\d+h)?(?:\d+m)?\d+\.\d+(?:ms|[\u00b5\u03bc]s|s)\b"), "a while"),
)


def normalise(text: str) -> str:
    """Return foreign text on one line of at most 500 characters, without what is secret or differs from try to try.

    Dropped: queries, fragments and user names of URLs, ends of connections, request ids, numbers of attempts, measured
    durations, present times. Kept: everything else, also time-outs as configured. Doing it twice changes nothing.
    """
    done = _pass(text)
    while (again := _pass(done)) != done:
        done = again
    return done


def _pass(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    text = " ".join(_plain(token) for token in printable.split())[: 4 * LIMIT]
    for pattern, steady in _UNSTEADY:
        text = pattern.sub(steady, text)
    text = text.strip()
    return text if len(text) <= LIMIT else text[: LIMIT - 1].rstrip() + _ELLIPSIS


def _plain(token: str) -> str:
    """Return one word without the query, the fragment and the user of the URL that it may hold."""
    head = re.split(r"[?#]", token, maxsplit=1)[0]
    if head != token and "/" in head:
        token = head + token[len(token.rstrip(_CLOSING)) :]
    return _USERINFO.sub("://", token)


PullReason = Literal[
    "RegistryRateLimited",
    "VersionNotFound",
    "RegistryAccessDenied",
    "RegistryUntrusted",
    "RegistryUnreachable",
    "RegistryCredentialsMissing",
    "ChartUrlInvalid",
    "PullFailed",
]


class PullFailure(NamedTuple):
    """Why an artifact could not be pulled, the registry's code for it, and its words where they say more than that."""

    reason: PullReason
    code: str
    words: str = ""


_CODE = r"(?<![A-Za-z0-9.])(?P<code>{})(?![A-Za-z0-9]|\.\d)"
_UNREACHABLE = (
    r"no such host|server misbehaving|connection (?:refused|reset)|no route to host|network is unreachable"
    r"|i/o timeout|handshake timeout|context deadline exceeded|Client\.Timeout|\bEOF\b"
)
_RATE_LIMITED = re.compile(_CODE.format("TOOMANYREQUESTS|429") + "|too many requests", re.IGNORECASE)
_NOT_LISTED = re.compile("couldn't find tag|no match found for semver", re.IGNORECASE)
_NO_ANSWER: tuple[tuple[PullReason, re.Pattern[str]], ...] = (
    ("RegistryUntrusted", re.compile(r"x509|\btls:")),
    ("RegistryUnreachable", re.compile(_CODE.format("UNAVAILABLE|500|502|503|504") + f"|{_UNREACHABLE}")),
)
_REQUEST = re.compile(r"\b(?:GET|HEAD|POST) https?://[^/\s]+(?P<path>/\S*?): (?:multiple errors returned: )?")
_STATUS = re.compile(r"unexpected status code (?P<code>\d{3})(?: [A-Z][A-Za-z-]*)*(?: \(.*?\))?(?::|$)")
_REGISTRY_CODE = re.compile(r"(?:^|; )(?P<code>[A-Za-z_]+): ")
_TOKEN_PATH = re.compile(r"/(?:token|auth|exchange)$")
_MANIFEST_PATH = re.compile(r"^/v2/.+/manifests/")
_DETAIL = re.compile(r"; \[?map\[.*$")
_UNKNOWN = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"})
_DENIED = frozenset({"UNAUTHORIZED", "DENIED"})
_NOTHING_MORE = re.compile(
    r"denied|unauthorized|(?:access )?forbidden|access denied|authentication (?:is )?required"
    r"|(?:the )?requested access to the resource is denied|",
    re.IGNORECASE,
)
"""Words that do not tell more than the code."""


def pull_failure(text: str) -> PullFailure:
    """Return what a failed pull means. Flux has one reason for most of it, so that only the text tells.

    Only the registry's own code says that a version does not exist: proxies, token services and storage behind
    redirects answer 404 too. Likewise a bare 401 or 403 counts only as an answer about a token or a manifest.
    """
    said = _without_urls(text)
    if found := _RATE_LIMITED.search(said):
        return PullFailure("RegistryRateLimited", (found["code"] or "").upper())
    if failure := _refused(text):
        return failure
    if _NOT_LISTED.search(said):
        return PullFailure("VersionNotFound", "")
    for reason, pattern in _NO_ANSWER:
        if found := pattern.search(said):
            return PullFailure(reason, (found.groupdict().get("code") or "").upper())
    return PullFailure("PullFailed", "")


def _refused(text: str) -> PullFailure | None:
    """Return what the registry's answer to the last request means, if it is about the version or the access."""
    request = next(reversed(list(_REQUEST.finditer(text))), None)
    if request is None:
        return None
    answer, path = text[request.end() :], request["path"].partition("?")[0]
    status = _STATUS.match(answer)
    if status:
        about = _TOKEN_PATH.search(path) or _MANIFEST_PATH.search(path)
        denied = status["code"] in {"401", "403"} and about
        return PullFailure("RegistryAccessDenied", status["code"], _more(answer[status.end() :])) if denied else None
    for found in _REGISTRY_CODE.finditer(answer):
        code = found["code"].upper()
        if code in _UNKNOWN and path.startswith("/v2/") and not _TOKEN_PATH.search(path):
            return PullFailure("VersionNotFound", code)
        if code in _DENIED:
            return PullFailure("RegistryAccessDenied", code, _more(answer[found.end() :]))
    return None


def _more(said: str) -> str:
    """Return the registry's words, empty where they say no more than its code."""
    words = _DETAIL.sub("", said).strip().rstrip(". ")
    return "" if _NOTHING_MORE.fullmatch(words) else words


AccessFailure = Literal["", "CredentialsExpired", "Forbidden", "Unreachable"]

_CREDENTIALS = re.compile(
    r"\bunauthorized\b|provide credentials|token (?:has|is) expired|tls: (?:expired|bad|unknown) certificate",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(r"\bforbidden\b", re.IGNORECASE)
_NO_CONNECTION = re.compile(
    rf"cluster unreachable|{_UNREACHABLE}|x509|\btls:|dial tcp|service unavailable", re.IGNORECASE
)


def access_failure(text: str) -> AccessFailure:
    """Return what keeps Flux from the other cluster, empty where the text is about something else."""
    said = _without_urls(text)
    if _CREDENTIALS.search(said):
        return "CredentialsExpired"
    if _FORBIDDEN.search(said):
        return "Forbidden"
    return "Unreachable" if _NO_CONNECTION.search(said) else ""


def _without_urls(text: str) -> str:
    """Return a text without addresses: a host or a repository may be called anything."""
    return " ".join(word for word in text.split() if "://" not in word)


_HELM_PREFIX = re.compile(r"^Helm (?:install|upgrade) failed for release \S+ with chart \S+: ")
_FRAME = re.compile(r'(?:template: )?\S+:\d+:\d+:?\s+executing "[^"]*"\s+at <')


def helm_cause(text: str) -> str:
    """Return Helm's own words in a message of Flux, normalised and without a full stop at the end.

    Of a template that includes others Helm tells the whole way, often in lines; the last of them has the cause, so
    that what comes before is left out.
    """
    words = _HELM_PREFIX.sub("", text.strip())
    frames = [found.start() for found in _FRAME.finditer(words)]
    return normalise(words[frames[-1] :] if len(frames) > 1 else words).rstrip(". ")


ChartFailure = Literal["", "Template", "Schema", "Mismatch"]

_CHART_FAILURES: tuple[tuple[ChartFailure, re.Pattern[str]], ...] = (
    ("Mismatch", re.compile("does not match chart version")),
    ("Schema", re.compile("don't meet the specifications of the schema")),
    (
        "Template",
        re.compile(
            r'\btemplate: \S+:\d+|execution error at \(|executing "[^"]*" at <|parse error at \(|YAML parse error on '
        ),
    ),
)


def chart_failure(cause: str) -> ChartFailure:
    """Return what is wrong with a chart, or with the values for it, so that no retry helps; empty for anything else."""
    return next((kind for kind, pattern in _CHART_FAILURES if pattern.search(cause)), "")
