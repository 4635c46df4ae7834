"""Mistakes in a provider that are found before it starts."""

from dataclasses import replace
from typing import Any

import pytest

from openmcp_provider.domain.checking import check
from openmcp_provider.domain.objects import PLATFORM
from openmcp_provider.provider import Guard, Owned, Provider, Residue, TenantCluster
from service_provider_ocm import PROVIDER
from tests.core.second import Beacon

EDITION = Beacon.edition
MCP = TenantCluster(id="mcp", suffix="mcp", rules=())


def broken(**members: object) -> Provider[Any, Any]:
    """Return the second provider with other members."""
    made: Provider[Any, Any] = type("Broken", (Beacon,), members)()
    return made


def raising(*_: object) -> Any:
    """Raise what an author's code may raise."""
    raise KeyError("hunter2")


@pytest.mark.parametrize("provider", [PROVIDER, Beacon()])
def test_a_good_provider_has_no_mistakes(provider: Provider[Any, Any]) -> None:
    """Both providers of this project may start."""
    assert not check(provider)


MISTAKES: dict[str, tuple[Provider[Any, Any], str]] = {
    "group": (broken(edition=replace(EDITION, group="Beacon Services")), "edition.group: is no legal name"),
    "finalizer": (broken(edition=replace(EDITION, finalizer="a.example.org")), "edition.finalizer: has no /"),
    "kind": (broken(edition=replace(EDITION, kind="beacon")), "edition.kind: is not legal"),
    "manager": (broken(edition=replace(EDITION, field_manager="")), "edition.field_manager: is not legal"),
    "no text": (broken(edition=replace(EDITION, lease=None)), "edition.lease: is a NoneType"),  # type: ignore[arg-type]
    "no edition": (broken(edition=None), "edition: is a NoneType; supply a Edition"),
    "title": (broken(title=" "), "title: is empty"),
    "raises": (broken(guards=property(raising)), "guards: cannot be read (KeyError)"),
    "a list": (broken(owns=[]), "owns: is a list; supply a tuple"),
    "a function": (broken(desired=None), "desired: is missing or no function"),
    "crd": (broken(crds=({"kind": "CustomResourceDefinition", "metadata": {"name": "a"}},)), "crds[0]: CustomResource"),
    "no crd": (broken(crds=(1,)), "crds[0]: is no CustomResourceDefinition"),
    "no clusters": (broken(clusters=()), "clusters: is empty"),
    "cluster id": (broken(clusters=(replace(MCP, id=PLATFORM),)), 'clusters[0].id: is "platform", which is taken'),
    "same suffix": (broken(clusters=(MCP, replace(MCP, id="b"))), "clusters[1].suffix: is that of another cluster"),
    "owned elsewhere": (broken(owns=(Owned("mpc", "v1", "Secret", "secrets"),)), 'owns[0].cluster: is "mpc"'),
    "owned twice": (broken(owns=(*Beacon.owns, *Beacon.owns[:1])), "owns[2]: names Deployment once more"),
    "namespaces": (broken(owns=(Owned("mcp", "v1", "Namespace", "namespaces"),)), "owns[0]: is Namespace"),
    "no plural": (broken(owns=(Owned("mcp", "v1", "Secret", ""),)), "owns[0]: has an empty field"),
    "guard": (broken(guards=(Guard(PLATFORM, "a.example.org"),)), 'guards[0].cluster: is "platform"'),
    "residue": (broken(residues=(Residue("mcp", "v1", "", "", "a"),)), "residues[0]: has an empty field"),
    "check_config": (broken(check_config=raising), "check_config: check_config raised KeyError"),
    "unmarked": (broken(unmarked=raising), "unmarked: unmarked raised KeyError"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_by_its_path(name: str) -> None:
    """Path and what would be right; nothing is raised and no exception is quoted (case 6.4)."""
    provider, told = MISTAKES[name]
    found = [str(problem) for problem in check(provider)]

    assert [text for text in found if text.startswith(told)], found
    assert "hunter2" not in "".join(found)


def test_every_mistake_is_told_at_once() -> None:
    """One does not hide the next (case 6.4)."""
    found = check(broken(title="", owns=(1,), edition=replace(EDITION, kind="", plural="")))

    assert {"title", "owns[0]", "edition.kind", "edition.plural"} == {problem.path for problem in found}
