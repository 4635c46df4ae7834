"""What the platform operator reads on the ProviderConfig: whether it can be used, if not why, and who follows it."""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice

from openmcp_provider.domain.author import ProviderMistake
from openmcp_provider.domain.compare import same
from openmcp_provider.domain.conditions import FALSE, TRUE, UNKNOWN, Condition, Event, cut
from openmcp_provider.domain.copies import Source, unusable
from openmcp_provider.domain.items import COPY_CONDITIONS
from openmcp_provider.domain.objects import Json, conditions, generation
from openmcp_provider.domain.status import stamped
from openmcp_provider.domain.unanswered import mistake_condition
from openmcp_provider.provider import Edition, Problem, Reference

__all__ = [
    "NOT_FOUND",
    "absent",
    "announcement",
    "judge",
    "judge_references",
    "missing",
    "report_config",
    "said",
    "unknown",
]

CONDITION = "Valid"
NOT_FOUND = "ProviderConfigNotFound"
MOST = 10
"""Problems that are told; a status has an end."""

LONGEST = 300
"""Characters of each part of a problem: a value that is quoted may be of any length."""

_UNKNOWN = "Unknown"


def judge(problems: Iterable[Problem]) -> Condition:
    """Return whether every field can be used."""
    found = [str(Problem(*(_short(part) for part in problem))) for problem in problems]
    if not found:
        return Condition(CONDITION, TRUE, "Valid", "Every field can be used.")
    return Condition(CONDITION, FALSE, "Invalid", f"{_listed(found)}. Running tenants stay as they are.")


def unknown(title: str, mistake: ProviderMistake) -> Condition:
    """Return that a mistake in the provider's own code keeps anybody from knowing."""
    told = mistake_condition(title, mistake)
    return Condition(CONDITION, UNKNOWN, told.type, f"{told.message} Running tenants stay as they are.")


def judge_references(
    config_name: str,
    namespace: str,
    references: Iterable[Reference],
    look: Callable[[Reference], Source | str | None],
) -> Condition | None:
    """Return what is wrong with what a ProviderConfig names, None if nothing is.

    Args:
        config_name: Of the ProviderConfig.
        namespace: Where what it names is looked for.
        references: What it names.
        look: Returns what was found; None = there is none; a text = why nobody knows.
    """
    first: dict[tuple[str, str], Reference] = {}
    for reference in references:
        first.setdefault((reference.kind, reference.name), reference)
    found = []
    for reference in first.values():
        if flaw := _flaw(reference, look(reference)):
            named = f'named by {_short(reference.path)} of ProviderConfig "{config_name}",'
            reason = f"{COPY_CONDITIONS[reference.kind][1]}{flaw[0]}"
            found.append((reason, f"{reference.kind} {namespace}/{_short(reference.name)}, {named} {flaw[1]}"))
    if not found:
        return None
    reason = found[0][0]
    told = _listed([text for _, text in found])
    message = f"{told}. Running tenants stay as they are; the rest continues automatically."
    return Condition(CONDITION, UNKNOWN if reason.endswith(_UNKNOWN) else FALSE, reason, message)


def missing(edition: Edition, name: str) -> str:
    """Return what there is to say where there is no ProviderConfig."""
    return (
        f'No ProviderConfig found: the platform operator must create ProviderConfig "{name}" '
        f"({edition.api_version}) on the platform."
    )


def absent(edition: Edition, name: str, others: Iterable[str]) -> Condition:
    """Return that there is no ProviderConfig of a name; one of another name may have been meant."""
    rest = sorted(others)
    hint = f" What is there under another name is not followed: {', '.join(rest[:MOST])}{_more(rest)}." if rest else ""
    return Condition(CONDITION, FALSE, NOT_FOUND, f"{missing(edition, name)} Running tenants stay as they are.{hint}")


def said(config: Json) -> Condition | None:
    """Return what a ProviderConfig says of itself as it stands, None if nothing."""
    found = conditions(config).get(CONDITION)
    if found is None:
        return None
    return Condition(CONDITION, found["status"], found["reason"], found.get("message", ""))


def announcement(name: str, before: Condition | None, now: Condition) -> Event | None:
    """Return the Event that tells of a change, None if there is nothing new.

    Args:
        name: Of the ProviderConfig.
        before: What was said before, None if nothing was.
        now: What is said now.
    """
    if now == before:
        return None
    if now.status == TRUE:
        again = before is not None and before.status != TRUE
        return Event("Normal", "ProviderConfigValid", f'ProviderConfig "{name}" is valid.') if again else None
    if now.reason != "Invalid":
        return Event("Warning", now.reason, cut(now.message))
    return Event("Warning", "ProviderConfigInvalid", cut(f'ProviderConfig "{name}" is invalid: {now.message}'))


def report_config(config: Json, valid: Condition, now: datetime, *, tenants: int) -> Json | None:
    """Return the whole status of a ProviderConfig; None = leave it as it is.

    Args:
        config: The ProviderConfig.
        valid: Whether it can be used.
        now: The present.
        tenants: How many follow it.
    """
    before = config.get("status") or {}
    live = conditions(config)
    entry = stamped(valid, live.get(valid.type), generation(config), now)
    others = [item for kind, item in live.items() if kind != valid.type]
    status = {**before, "tenants": tenants, "conditions": [entry, *others]}
    unchanged = before.get("tenants") == tenants and same(conditions({"status": status}), live)
    return None if unchanged else status


def _flaw(reference: Reference, source: Source | str | None) -> tuple[str, str] | None:
    """Return how the reason ends and what is wrong, None if nothing is."""
    if isinstance(source, str):
        return _UNKNOWN, f"cannot be read: {_short(source)}"
    if source is None:
        wanted = f", of type {reference.type}" if reference.type else ""
        return "NotFound", f"is missing: the platform operator must create it{wanted}"
    if flaw := unusable(source, reference.type):
        return "Invalid", f"cannot be used: {_short(flaw)}; the platform operator must correct it"
    return None


def _listed(found: list[str]) -> str:
    return "; ".join(islice(found, MOST)) + _more(found)


def _more(found: list[str]) -> str:
    return f" and {len(found) - MOST} more" if len(found) > MOST else ""


def _short(text: str) -> str:
    """Return a text with its middle left out where it is too long: both what is quoted and what is said of it count."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]}...{text[-half:]}"
