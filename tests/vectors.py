"""The golden values of `vectors.json`, as parameters of tests."""

import json
from pathlib import Path
from typing import Any

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))


def vectors(function: str) -> list[tuple[list[Any], Any]]:
    """Return the rows of a function: its arguments, and its result or `ValueError`."""
    return [(row["args"], row.get("out", ValueError)) for row in VECTORS[function]]
