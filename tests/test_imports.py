"""What core may import and call: import-linter holds the arrows between packages, these tests the rest."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).parents[1] / "core"
MODULES = sorted(CORE.rglob("*.py"))
CORE_PACKAGES = {"openmcp_provider", "service_provider_ocm"}

# Folder -> what no module in it imports. The domain computes; the runtime is given its time and its randomness.
BANNED = {
    "openmcp_provider/domain": {
        "asyncio",
        "logging",
        "multiprocessing",
        "os",
        "random",
        "secrets",
        "socket",
        "subprocess",
        "threading",
        "time",
    },
    "openmcp_provider/runtime": {
        "concurrent",
        "multiprocessing",
        "random",
        "secrets",
        "subprocess",
        "threading",
        "time",
    },
    "service_provider_ocm": {"asyncio", "logging", "os", "random", "secrets", "socket", "threading", "time"},
}
# What asks the machine for the time or for chance, by its full name.
UNREPEATABLE = {
    "asyncio.to_thread",
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "os.getrandom",
    "os.urandom",
    "time.monotonic",
    "time.time",
    "uuid.uuid1",
    "uuid.uuid4",
}


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the top-level name of everything that a module imports, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def full_names(tree: ast.Module) -> dict[str, str]:
    """Return the full name behind each name that a module's imports bind."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return names


def used(tree: ast.Module) -> Iterator[str]:
    """Yield the full name of every function and attribute of an imported module that is used, called or passed on."""
    names = full_names(tree)
    for node in ast.walk(tree):
        parts: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in names:
            yield ".".join([names[inner.id], *parts])


def violations(where: str, source: str) -> list[str]:
    """Say what is wrong with the source of a module of core.

    Args:
        where: path of the module below core.
        source: its text.
    """
    tree = ast.parse(source)
    names = set(imported(tree))
    foreign = names - CORE_PACKAGES - sys.stdlib_module_names
    banned = {name for folder, bad in BANNED.items() if where.startswith(f"{folder}/") for name in names & bad}
    return sorted(
        {f"imports {name}, which is not in the standard library" for name in foreign}
        | {f"imports {name}" for name in banned}
        | {f"uses {name}" for name in UNREPEATABLE.intersection(used(tree))}
    )


def test_core_is_found() -> None:
    """The rules below look at both packages of core."""
    assert {module.relative_to(CORE).parts[0] for module in MODULES} == CORE_PACKAGES


@pytest.mark.parametrize("module", [str(module.relative_to(CORE)) for module in MODULES])
def test_core_stands_alone(module: str) -> None:
    """A module of core imports only the standard library and core, and asks for no time and no chance."""
    assert violations(module, (CORE / module).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("where", "source", "found"),
    [
        ("openmcp_provider/ports.py", "import attrs", "imports attrs, which is not in the standard library"),
        ("openmcp_provider/ports.py", "def f():\n    from yaml import load", "imports yaml, which is not in the"),
        ("openmcp_provider/domain/plan.py", "import asyncio.events", "imports asyncio"),
        ("openmcp_provider/domain/plan.py", "from logging import getLogger", "imports logging"),
        ("openmcp_provider/runtime/queue.py", "import time", "imports time"),
        ("openmcp_provider/domain/plan.py", "import datetime\ndatetime.datetime.now()", "uses datetime.datetime.now"),
        ("openmcp_provider/domain/plan.py", "from datetime import datetime as d\nf = d.now", "uses datetime.datetime"),
        ("openmcp_provider/ports.py", "from time import time as clock\nclock()", "uses time.time"),
        ("service_provider_ocm/crds.py", "import uuid\nuuid.uuid4()", "uses uuid.uuid4"),
    ],
)
def test_a_violation_is_seen(where: str, source: str, found: str) -> None:
    """Each rule finds what it forbids."""
    (violation,) = violations(where, source)

    assert violation.startswith(found)


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("openmcp_provider/ports.py", "import logging, time"),
        ("openmcp_provider/domain/plan.py", "from .errors import NotFound\nfrom openmcp_provider.provider import Ref"),
        ("openmcp_provider/domain/report.py", "from datetime import datetime\ndef f(s, now: datetime): s.now(now)"),
        ("openmcp_provider/runtime/queue.py", "import asyncio"),
    ],
)
def test_what_is_allowed_passes(where: str, source: str) -> None:
    """No rule forbids more than it says."""
    assert violations(where, source) == []
