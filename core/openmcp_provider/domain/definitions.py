"""The provider's own CustomResourceDefinitions and its registration, as decisions.

A definition has an annotation with the number of its schema, which its author raises with every change; so an older
program that is started again never takes fields away that objects have by now.
"""

from enum import Enum, auto

from openmcp_provider.domain.compare import difference, same
from openmcp_provider.domain.objects import Json, annotations, conditions, dig, labels
from openmcp_provider.domain.ownership import observe
from openmcp_provider.provider import Edition

__all__ = ["CLUSTER", "SCHEMA", "Verdict", "cluster_of", "established", "registration", "verdict_on"]

SCHEMA = "openmcp.cloud/schema"
"""The annotation with the number of the schema; a definition without it has number 0."""

CLUSTER = "openmcp.cloud/cluster"
"""The label that says on which cluster a definition belongs: ``platform`` or ``onboarding``."""

_VERSIONS = ("f:spec", "f:versions")


class Verdict(Enum):
    """What is to be done about a definition."""

    APPLY = auto()
    CURRENT = auto()
    NEWER = auto()


def cluster_of(crd: Json) -> str:
    """Return where a definition belongs.

    Raises:
        ValueError: it does not say so; a mistake of its author's.
    """
    where = labels(crd).get(CLUSTER, "")
    if where not in {"platform", "onboarding"}:
        name = crd["metadata"]["name"]
        raise ValueError(f"CustomResourceDefinition {name}: label {CLUSTER} is {where!r}, not platform or onboarding")
    return str(where)


def verdict_on(crd: Json, live: Json | None, manager: str) -> Verdict:
    """Tell what is to be done about a definition.

    Args:
        crd: As it should be.
        live: As it is, None if it is not there.
        manager: Our field manager.
    """
    if live is None:
        return Verdict.APPLY
    if _number(live) > _number(crd):
        return Verdict.NEWER
    owned = observe(live, manager).owns or frozenset()
    # Versions are owned as a whole or not at all, so that whoever else writes them takes them from us.
    return Verdict.CURRENT if _VERSIONS in owned and not difference(crd, live) else Verdict.APPLY


def established(live: Json) -> str:
    """Return why a definition is not served yet, in words; empty if it is."""
    found = conditions(live)
    for kind in ("NamesAccepted", "Established"):
        condition = found.get(kind)
        if condition is None or condition["status"] != "True":
            told = f"{condition['reason']}: {condition['message']}" if condition else "the server has not looked at it"
            return f"CustomResourceDefinition {live['metadata']['name']} is not established ({told})"
    return ""


def registration(edition: Edition, service_provider: Json) -> Json | None:
    """Return the merge patch of the status that registers the provider's kind; None if it is registered already."""
    wanted = [{"group": edition.group, "version": edition.version, "kind": edition.kind}]
    if same(dig(service_provider, "status", "resources"), wanted):
        return None
    return {"metadata": {"uid": service_provider["metadata"]["uid"]}, "status": {"resources": wanted}}


def _number(crd: Json) -> int:
    try:
        return int(annotations(crd).get(SCHEMA, "0"))
    except ValueError:
        return 0
