"""``plan``: what ``run`` would do on the live clusters now. It writes nothing."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from openmcp_adapters.wire import decoder
from openmcp_provider.domain.author import ProviderMistake, contained
from openmcp_provider.domain.errors import PortError
from openmcp_provider.domain.objects import Json, conditions, dig
from openmcp_provider.domain.onboarding import RUN, run_rules
from openmcp_provider.domain.plan import Plan, explain
from openmcp_provider.domain.rights import Right, onboarding_rights
from openmcp_provider.domain.snapshot import Invalid, Missing
from openmcp_provider.domain.unanswered import mistake_condition
from openmcp_provider.ports import Cluster, ClusterFactory
from openmcp_provider.runtime.controller import Ports, Settings
from openmcp_provider.runtime.onboarding import NoAccess
from openmcp_provider.runtime.preview import Foreseen, Preview, ReadOnly, Unreadable
from openmcp_provider.runtime.recorder import ClusterRecorder
from openmcp_provider.runtime.rights import missing_rights
from openmcp_provider_cli.program import DONE, Failed, Setting, leaves

__all__ = ["CHANGES", "plan"]

CHANGES = 3
"""Exit code where run would write something, and that was asked for."""


class _ReadOnlyFactory(ClusterFactory):
    """Makes clients that write nothing."""

    def __init__(self, factory: ClusterFactory) -> None:
        self._factory = factory

    def connect(self, kubeconfig: bytes) -> Cluster:
        """Return a client.

        Raises:
            ValueError: the kubeconfig cannot be used.
        """
        return ReadOnly(self._factory.connect(kubeconfig))


def plan(show: Callable[[str], None]) -> Callable[[Setting], Awaitable[int]]:
    """Return the command, which shows its findings by `show`."""

    async def command(setting: Setting) -> int:
        found = await _look(setting)
        show(_FORMS[setting.arguments.output](found))
        return CHANGES if setting.arguments.exit_code and any(one["writes"] for one in found["tenants"]) else DONE

    return command


async def _look(setting: Setting) -> dict[str, Any]:
    """Return everything that there is to tell.

    Raises:
        Failed: something that must be known could not be read.
    """
    provider, edition = setting.provider, setting.provider.edition
    platform = ReadOnly(setting.limited(setting.platform))
    access = setting.access(RUN, run_rules(edition), platform)
    try:
        granted = await access.existing()
    except NoAccess as error:
        raise Failed(f"there is no access to the onboarding cluster, which run would ask for: {error}") from None
    except PortError as error:
        raise Failed(f"the platform: {error.reason}: {error}") from None
    try:
        onboarding = ReadOnly(setting.limited(granted))
        ports = Ports(
            platform=platform,
            onboarding=onboarding,
            factory=_ReadOnlyFactory(setting.factory),
            decode=decoder,
            clock=setting.clock,
            randomness=setting.randomness,
            recorder=ClusterRecorder(onboarding, edition.field_manager, setting.clock),
        )
        preview = Preview(provider, ports, Settings(config_name=setting.name, namespace=setting.namespace))
        missing = await _missing(setting, platform, onboarding)
        tenants = await preview.foresee()
    except Unreadable as error:
        raise Failed(str(error)) from None
    except PortError as error:
        raise Failed(f"rights could not be checked: {error.reason}: {error}") from None
    except BaseExceptionGroup as group:
        found = leaves(group)
        if not all(isinstance(error, Unreadable) for error in found):
            raise
        raise Failed("; ".join(map(str, found))) from None
    finally:
        await granted.close()
    return {
        "config": _config(setting, tenants, preview),
        "missingRights": [str(right) for right in missing],
        "tenants": [_tenant(one, edition.kind) for one in tenants],
    }


async def _missing(setting: Setting, platform: Cluster, onboarding: Cluster) -> Sequence[Right]:
    found = await asyncio.gather(
        missing_rights(platform, setting.rights()),
        missing_rights(onboarding, onboarding_rights(setting.provider.edition)),
    )
    return [*found[0], *found[1]]


def _config(setting: Setting, tenants: Sequence[Foreseen[Any, Any]], preview: Preview[Any, Any]) -> dict[str, Any]:
    config = preview.config()
    provider = contained(setting.provider)
    problems: Sequence[object]
    try:
        if isinstance(config, Missing):
            problems, state = provider.check_config(None), "missing"
        elif isinstance(config, Invalid):
            problems, state = config.problems, "invalid"
        else:
            problems = provider.check_config(config.value)
            state = "invalid" if problems else "valid"
    except ProviderMistake as mistake:
        problems, state = [mistake_condition(provider.title, mistake).message], "unknown"
    return {
        "name": setting.name,
        "state": state,
        "problems": [str(problem) for problem in problems],
        "tenants": len(tenants),
    }


def _tenant(one: Foreseen[Any, Any], kind: str) -> dict[str, Any]:
    now = one.snapshot.instance.get("status") or {}
    due = [
        {
            "action": type(step).__name__.lower(),
            "cluster": step.ref.cluster,
            "kind": step.ref.kind,
            "namespace": step.ref.namespace,
            "name": step.ref.name,
            "why": step.why,
        }
        for step in one.plan.writes
    ]
    if one.told.status is not None:
        status = {"cluster": "onboarding", "namespace": one.key.namespace, "name": one.key.name}
        due.append({"action": "status", "kind": kind, **status, "why": "it does not say what is"})
    return {
        "namespace": one.key.namespace,
        "name": one.key.name,
        "now": _summary(now),
        "then": _summary(one.told.status if one.told.status is not None else now),
        "writes": due,
        "takeovers": sum(entry["action"] == "takeover" for entry in due),
        "blocked": [finding.message for finding in one.plan.findings],
        "unread": f"{one.failure.reason}: {one.failure}" if one.failure else "",
        "explanation": list(explain(Plan(steps=one.plan.writes))),
    }


def _summary(status: Json) -> dict[str, str]:
    ready = conditions({"status": status}).get("Ready") or {}
    return {
        "phase": str(status.get("phase") or ""),
        "installed": str(dig(status, "installedVersion") or ""),
        "reason": str(ready.get("reason") or ""),
        "message": str(ready.get("message") or ""),
    }


def _as_json(found: Json) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _as_table(found: Json) -> str:
    config = found["config"]
    lines = [f"ProviderConfig {config['name']}: {config['state']}, {config['tenants']} tenants"]
    lines += [f"  {problem}" for problem in config["problems"]]
    lines += [f"a right is missing: {right}" for right in found["missingRights"]]
    rows = [("TENANT", "NOW", "THEN", "WRITES", "TAKE-OVERS")]
    rows += [
        (
            f"{one['namespace']}/{one['name']}",
            _cell(one["now"]),
            _cell(one["then"]),
            str(len(one["writes"])),
            str(one["takeovers"]),
        )
        for one in found["tenants"]
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines += [
        "",
        *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows),
    ]
    for one in found["tenants"]:
        details = [*one["explanation"], *(f"found: {text}" for text in one["blocked"])]
        details += [f"could not be read: {one['unread']}"] if one["unread"] else []
        if details:
            lines += ["", f"{one['namespace']}/{one['name']}", *(f"  {text}" for text in details)]
    due = sum(bool(one["writes"]) for one in found["tenants"])
    writes = sum(len(one["writes"]) for one in found["tenants"])
    lines += [
        "",
        f"{due} of {len(found['tenants'])} tenants would be written to, {writes} writes at first; nothing was written",
    ]
    return "\n".join(lines) + "\n"


def _cell(summary: Json) -> str:
    return " ".join(part for part in (summary["phase"], summary["installed"]) if part) or "-"


_FORMS: dict[str, Callable[[Json], str]] = {"table": _as_table, "json": _as_json}
