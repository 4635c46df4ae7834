import contextlib
import io
import os
import re
import subprocess
import sys
from argparse import Namespace

import pytest
from rich.console import Console

import openmcp_provider_cli.demo
from openmcp_provider_cli.demo import demo
from openmcp_provider_cli.demo_table import Screen
from service_provider_ocm import PROVIDER
from tests.cli.demoing import Play
from tests.cli.running import EXAMPLES


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a table follows the tenants, with counts, a bar, the virtual clock and the requests so far."""
    monkeypatch.setattr("openmcp_provider_cli.demo_story.STEADY", 10.0)
    monkeypatch.setattr("openmcp_provider_cli.demo_table.FRAME", 0.0)
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=20, record=True, color_system=None)
    monkeypatch.setattr(openmcp_provider_cli.demo, "_watched", lambda _: Screen(console))
    written: list[str] = []
    arguments = Namespace(
        files=[str(path) for path in sorted(EXAMPLES.glob("*.yaml"))],
        namespace="openmcp-system",
        tenants=25,
        seed=0,
        delete=True,
        output="text",
    )

    assert demo(PROVIDER, arguments, written.append) == []
    text = console.export_text()
    assert "OCM K8s Toolkit for 25 tenants" in text
    for pattern in (
        r"[1-9]\d* requests   virtual 00:\d\d\.\d   real \d+\.\d s",
        r"Progressing \d+   Ready \d+ +━+ +\d+% are Ready",
        r"Ready 25 +━+ +\d+% ",
        r"Gone 25 +━+ +100% are gone",
        r"default/t-0001 +Progressing +\d+ s +Waiting for",
        r"default/t-0001 +Ready +\d+ s +0\.13\.0 +OCM K8s Toolkit 0\.13\.0 is inst",
        r"default/t-0011 ",
        r"and 14 more",
    ):
        assert re.search(pattern, text), pattern
    assert "t-0012" not in text
    assert written[0].startswith("\n25 of 25 tenants Ready")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_a_real_terminal() -> None:
    """In a process with a terminal the table is drawn, and the summary follows it."""
    code = (
        "import sys, openmcp_provider_cli.demo_story as story, service_provider_ocm_cli as program\n"
        "story.STEADY = 30.0\n"
        "sys.exit(program.main())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"}
    master, slave = os.openpty()
    argv = [sys.executable, "-c", code, "demo", "--tenants", "1"]
    with subprocess.Popen(argv, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal says that nobody is at the other end any more
            while more := os.read(master, 65536):
                shown += more
    os.close(master)
    text = shown.decode()

    assert process.returncode == 0
    assert "\x1b[" in text
    assert "OCM K8s Toolkit" in text
    assert "1 of 1 tenant Ready" in text


def test_a_terminal_without_the_extra(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rich a terminal gets lines."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "openmcp_provider_cli.demo_table", None)

    assert " Ready        OCM K8s Toolkit 0.13.0 is installed and ready.\n" in play("--tenants", "1").out
