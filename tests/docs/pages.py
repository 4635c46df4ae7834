"""The pages of the documentation, and what can be read out of them."""

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["DOCS", "PAGES", "ROOT", "blocks", "cells", "links", "spans"]

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


def blocks(text: str, *languages: str) -> list[str]:
    """Return the code blocks in some languages, in order, without the last line break."""
    return [body for _, body in fenced(text, *languages)]


def fenced(text: str, *languages: str) -> list[tuple[str, str]]:
    """Return language and body of the code blocks in some languages."""
    found = re.findall(r"^```(\w+)\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    return [(language, body) for language, body in found if language in languages]


def cells(text: str) -> Iterator[list[str]]:
    """Yield the cells of every row of every table, heads included."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("|---"):
            yield re.split(r"\s*\|\s*", line)[1:-1]


def spans(text: str) -> list[str]:
    """Return what stands in code spans."""
    return re.findall(r"`([^`]+)`", text)


def links(page: Path) -> list[str]:
    """Return the links of a page that stay in the repository, without anchors."""
    found = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return [link for link in found if "://" not in link]
