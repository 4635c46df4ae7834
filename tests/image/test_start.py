import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.image.building import Image

PROGRAM = "/service-provider-ocm"
KUBECONFIG = """apiVersion: v1
kind: Config
clusters: [{name: platform, cluster: {server: "https://127.0.0.1:6443"}}]
users: [{name: someone, user: {token: secret}}]
contexts: [{name: both, context: {cluster: platform, user: someone}}]
current-context: both
"""


def patience() -> Iterator[None]:
    """Yield again and again, for half a minute."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)


def inner(process: subprocess.Popen[str]) -> int:
    """Return the process in the container: its number out here."""
    for _ in patience():
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
        if children and Path(f"/proc/{children[0]}/comm").read_text(encoding="utf-8").strip() in {
            "python",
            PROGRAM[1:16],
        }:
            return int(children[0])
    raise AssertionError("the program did not start")


def status(number: int, name: str) -> list[str]:
    """Return a field of what the kernel says of a process."""
    lines = Path(f"/proc/{number}/status").read_text(encoding="utf-8").splitlines()
    return next(line.split()[1:] for line in lines if line.startswith(f"{name}:"))


def catches(number: int, which: signal.Signals) -> bool:
    """Say whether a process has a handler for a signal."""
    return bool(int(status(number, "SigCgt")[0], 16) >> (which - 1) & 1)


def test_help(image: Image) -> None:
    """It starts, and ends with 0."""
    done = image.run(PROGRAM, "--help")

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("usage: service-provider-ocm ")


def test_version(image: Image, version: str) -> None:
    """It knows its version by what is installed in it (case 7)."""
    done = image.run(PROGRAM, "--version")

    assert (0, f"service-provider-ocm {version}\n", "") == (done.returncode, done.stdout, done.stderr)


def test_wrong_flags(image: Image) -> None:
    """Wrong flags end it with 2."""
    unknown, unnamed = image.run(PROGRAM, "run", "--wrong"), image.run(PROGRAM, "run", POD_NAMESPACE="openmcp-system")

    assert (2, 2) == (unknown.returncode, unnamed.returncode)
    assert "--wrong" in unknown.stderr
    assert unnamed.stderr.startswith("--provider-name: ")


def test_without_a_cluster(image: Image) -> None:
    """With the operator's arguments and no cluster both commands say what starts, and end with 1 and the cause."""
    for command in ("init", "run"):
        flags = ("--environment=test", "--verbosity=INFO", "--provider-name=ocm")
        done = image.run(PROGRAM, command, *flags, POD_NAMESPACE="openmcp-system")

        assert (1, "") == (done.returncode, done.stdout)
        first, told = map(json.loads, done.stderr.splitlines())
        assert first["msg"].startswith(f"starting {command} of service-provider-ocm ")
        assert told["level"] == "error"
        assert told["msg"].startswith("the platform cannot be reached: no cluster is configured")


def test_the_whole_controller_runs(image: Image) -> None:
    """Where nothing can be written it does all its work, on clusters in memory."""
    done = image.run(PROGRAM, "demo", "--tenants", "2", "--delete")

    assert (0, "") == (done.returncode, done.stderr)
    assert "2 of 2 tenants Ready" in done.stdout


def test_told_to_stop(image: Image) -> None:
    """As process 1 it hears SIGTERM while it waits for a cluster, and ends with 0."""
    (image.root / "volume" / "kubeconfig").write_text(KUBECONFIG, encoding="utf-8")
    environment = {"POD_NAMESPACE": "openmcp-system", "KUBECONFIG": "/volume/kubeconfig"}
    with image.started(PROGRAM, "run", "--provider-name=ocm", **environment) as process:
        assert process.stderr is not None
        first, waiting = (json.loads(process.stderr.readline()) for _ in range(2))
        number = inner(process)
        assert ["1"] == status(number, "NSpid")[1:]
        assert ["65532"] * 4 == status(number, "Uid")
        assert 0 == int(status(number, "CapEff")[0], 16)
        os.kill(number, signal.SIGTERM)
        _, rest = process.communicate(timeout=30)

        assert first["msg"].startswith("starting run of service-provider-ocm ")
        assert waiting["msg"].startswith("waiting for access to the onboarding cluster")
        assert "stopping" in rest
        assert 0 == process.returncode


def test_told_to_stop_at_once(image: Image) -> None:
    """As process 1 it hears SIGTERM also before it works, and then ends as any other program would."""
    with image.started(PROGRAM, "render", "-f", "-") as process:
        number = inner(process)
        assert any(catches(number, signal.SIGTERM) for _ in patience())
        os.kill(number, signal.SIGTERM)

        assert 128 + signal.SIGTERM == process.wait(30)


def test_nothing_can_be_written(image: Image) -> None:
    """The program's user could write nothing, were the root not mounted read-only either."""
    found = image.python("""
import json, os
paths = [os.path.join(top, name) for top, folders, files in os.walk("/") for name in (*folders, *files)]
seen = [path for path in paths if not path.startswith("/proc") and not os.path.islink(path)]
rights = [path for path in seen if os.stat(path).st_mode & 0o022 or os.stat(path).st_uid]
try:
    open("/tried", "w")
except OSError as error:
    why = error.strerror
print(json.dumps([len(seen) > 1000, rights, why]))
""")

    assert [True, [], "Read-only file system"] == found


def test_what_is_left_out_is_not_missed(image: Image) -> None:
    """No module that is there lacks a module of the standard library, or a library."""
    missed = image.python("""
import importlib, json, pkgutil, sys
missed = {}
def walk(path, prefix=""):
    for found in pkgutil.iter_modules(path, prefix):
        if found.name.endswith("__main__"):
            continue
        try:
            module = importlib.import_module(found.name)
        except ImportError as error:
            ours = (error.name or "").split(".")[0] in sys.stdlib_module_names
            if ours and isinstance(error, ModuleNotFoundError) or (error.path or "").endswith(".so"):
                missed[found.name] = str(error)
        except Exception:
            pass  # it is for other systems
        else:
            walk(getattr(module, "__path__", []), found.name + ".")
walk([path for path in sys.path if path.endswith(("site-packages", "lib-dynload"))])
print(json.dumps([len(sys.modules) > 500, missed]))
""")

    assert [True, {}] == missed


def test_libraries_work(image: Image) -> None:
    """TLS, certificates, C extensions and names of hosts work with the libraries that were brought along."""
    (trusted, extension, compiled, threads, address) = image.python("""
import json, socket, ssl, threading
import msgspec, yaml
thread = threading.Thread(target=int)
thread.start(), thread.join()
print(json.dumps([
    len(ssl.create_default_context().get_ca_certs()),
    yaml.__with_libyaml__,
    msgspec.json.encode([1]).decode(),
    thread.is_alive(),
    socket.getaddrinfo("api.example", 443, type=socket.SOCK_STREAM)[0][4][0],
]))
""")

    assert trusted > 50
    assert (True, "[1]", False, "192.0.2.7") == (extension, compiled, threads, address)
