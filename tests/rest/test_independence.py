"""Each client library is needed by its own adapter alone, and none warns when it is imported."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ADAPTERS = Path(__file__).parents[2] / "adapters" / "openmcp_adapters"
LIBRARIES = {"lightkube", "httpx2", "msgspec", "kubernetes", "aiohttp"}


@pytest.mark.parametrize(
    ("module", "needed"),
    [
        ("rest", set()),
        ("kubeconfig", set()),
        ("lightkube", {"lightkube", "httpx2", "msgspec"}),
        ("kubernetes", {"kubernetes", "aiohttp"}),
    ],
)
def test_imports(module: str, needed: set[str]) -> None:
    """An adapter imports its own library and no other, and no warning comes of it."""
    script = f"import openmcp_adapters.{module}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)

    assert needed == LIBRARIES & {*done.stdout.split()}


def test_one_module_imports_kubernetes() -> None:
    """The official client, whose minors break callers, is imported by one module."""
    found = []
    for file in ADAPTERS.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names = [node.module or "" for node in imports]
        names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        if any(name.split(".")[0] == "kubernetes" for name in names):
            found.append(str(file.relative_to(ADAPTERS)))

    assert ["kubernetes/transport.py"] == found
