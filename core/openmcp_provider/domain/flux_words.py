"""What both Flux kinds tell: which change is under way, and why nothing may be happening at all."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from openmcp_provider.domain.conditions import FALSE, TRUE, UNKNOWN, Condition
from openmcp_provider.domain.durations import SECOND, parse_duration
from openmcp_provider.domain.flux_state import chart_version, is_seen, presence, text_at
from openmcp_provider.domain.flux_text import normalise
from openmcp_provider.domain.objects import Json, Ref, conditions, timestamp
from openmcp_provider.domain.rules import HealthContext
from openmcp_provider.domain.versions import same_version
from openmcp_provider.provider import Health

__all__ = ["CHART", "INSTALLED", "PATIENCE", "Scene", "idle", "patience_ends", "scene_of"]

_RUNNING = re.compile(r"Running '[a-z]+' action with timeout of (\S+)")
CHART = "ChartAvailable"
INSTALLED = "Installed"
OVERTIME = timedelta(minutes=3)
"""How long a Helm action may take beyond its own time-out."""
PATIENCE = timedelta(minutes=2)
"""How long Flux may take to look at what was written."""


def patience_ends(obj: Json, applied: datetime) -> datetime | None:
    """Return when Flux should have looked at what was applied then; None once it has."""
    return action_ends(obj) if is_seen(obj) else applied + PATIENCE


def action_ends(obj: Json) -> datetime | None:
    """Return when the Helm action that Flux says is running must be over; None if none is."""
    ready = conditions(obj).get("Ready", {})
    running = _RUNNING.fullmatch(text_at(ready, "message"))
    since = timestamp(ready.get("lastTransitionTime"))
    if running is None or since is None or ready.get("status") != "Unknown":
        return None
    try:
        return since + timedelta(seconds=parse_duration(running[1]) / SECOND) + OVERTIME
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one Flux object is about.

    Attributes:
        ref: The object.
        context: What the rule was told beside it.
        installed: The chart version that runs, empty where none does or nothing tells which.
        there: Something runs.
        wanted: The version asked for in the tenant's words, or what stands for it.
        same: What runs is of the version asked for.
    """

    ref: Ref
    context: HealthContext
    installed: str
    there: bool
    wanted: str
    same: bool

    @property
    def change(self) -> str:
        """What is being done, in words."""
        if not self.there:
            return f"Installing {self.wanted}"
        if not self.installed:
            return f"Upgrading to {self.wanted}"
        if self.same:
            return f"Applying changed settings to {self.installed}"
        return f"Upgrading from {self.installed} to {self.wanted}"

    @property
    def event(self) -> str:
        """The reason of the event that tells so."""
        return "Upgrading" if self.there else "Installing"

    @property
    def stays(self) -> str:
        """A last sentence for messages about what prevents a change."""
        return f" {self.installed} stays installed." if self.installed else ""

    def changing(self, message: str) -> Condition:
        """Return the condition while the change is under way."""
        if self.there:
            return Condition(INSTALLED, TRUE, "Upgrading", self.installed or message)
        return Condition(INSTALLED, FALSE, "Installing", message)


def scene_of(ref: Ref, release: Json | None, source: Json | None, context: HealthContext) -> Scene:
    """Return what the object at `ref` is about, from the release and its source, either of which may be missing."""
    (installed, there), chart = presence(release, context.recorded), chart_version(source)
    known = [version for version in (chart, context.version) if version]
    return Scene(
        ref=ref,
        context=context,
        installed=installed,
        there=there,
        wanted=context.version or chart or context.title,
        same=bool(installed) and (not known or any(same_version(installed, version) for version in known)),
    )


def idle(scene: Scene, obj: Json, state: str, kind: str) -> Health | None:
    """Return the health of an object about which Flux does nothing, None if it may be doing something.

    Args:
        scene: What it is about.
        obj: The object.
        state: Where Flux is with it.
        kind: The type of the condition that says so.
    """
    ref, title = scene.ref, scene.context.title
    if state == "Terminating":
        message = f"{ref} is being deleted."
        return _unknown(scene, "Progressing", kind, state, message)
    if state == "Suspended":
        message = (
            f"{title} is suspended by a person on the platform: nothing is installed, upgraded or repaired until the "
            f"platform operator resumes it [{ref}].{scene.stays}"
        )
        return _unknown(scene, "Suspended", kind, state, message)
    applied = scene.context.applied
    due = patience_ends(obj, applied) if applied else None
    if due is None or scene.context.now < due:
        return None
    if is_seen(obj):
        ready = conditions(obj).get("Ready", {})
        message = (
            f"Flux on the platform says since {text_at(ready, 'lastTransitionTime')}: "
            f"{normalise(text_at(ready, 'message'))}. That must be over by now. Only the platform operator can help: "
            f"see that Flux runs [{ref}].{scene.stays}"
        )
        return _unknown(scene, "Failed", kind, "FluxNotResponding", message)
    message = (
        f"Flux on the platform does not answer: it did not look at what was written for {title}. Only the platform "
        f"operator can help: see that Flux runs and watches this object [{ref}].{scene.stays}"
    )
    return _unknown(scene, "Failed", kind, "FluxNotResponding", message)


def _unknown(
    scene: Scene, state: Literal["Progressing", "Suspended", "Failed"], kind: str, reason: str, message: str
) -> Health:
    installed = scene.installed if kind == INSTALLED else ""
    return Health(state, message, (Condition(kind, UNKNOWN, reason, message),), installed)
