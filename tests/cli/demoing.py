"""Playing demos in this process."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import openmcp_provider_cli.demo
from openmcp_adapters.emulation import Landscape
from openmcp_provider_cli import main
from openmcp_provider_cli.demo import demo
from service_provider_ocm import PROVIDER
from tests.cli.running import EXAMPLES, Outcome, stream

Prepare = Callable[[Landscape], None]
Play = Callable[..., Outcome]
Given = Callable[..., list[str]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Play:
    """Play a demo of the examples, with a short steady time and perhaps something that goes wrong."""

    def run(*flags: str, prepare: Prepare | None = None) -> Outcome:
        monkeypatch.setattr("openmcp_provider_cli.demo_story.STEADY", 60.0)
        if prepare:
            monkeypatch.setattr(openmcp_provider_cli.demo, "demo", partial(demo, prepare=prepare))
        code = main(PROVIDER, ["demo", *flags], examples=EXAMPLES)
        return Outcome(code, *capfd.readouterr())

    return run


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """Write one file and return the flags that name it."""

    def write(*documents: str) -> list[str]:
        path = tmp_path / "given.yaml"
        path.write_text(stream(*documents), encoding="utf-8")
        return ["-f", str(path)]

    return write
