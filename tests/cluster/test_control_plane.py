"""The test control plane itself."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from openmcp_testing.control_plane import ApiServer, Binaries, ControlPlane, NoBinaries, find, missing
from openmcp_testing.control_plane.binaries import pinned

_CRASHING = """
import os, signal, sys
from openmcp_testing.control_plane import ControlPlane, find
with ControlPlane(find()) as plane:
    server = plane.api_server("crash")
    print(plane.etcd.process.pid, server.process.pid, flush=True)
    sys.stdin.read()
"""


def _kubectl(binaries: Binaries, kubeconfig: Path, *args: str) -> str:
    command = [binaries.path("kubectl"), f"--kubeconfig={kubeconfig}", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def _runs(pid: int) -> bool:
    """Tell whether a process runs; one that ended but was not waited for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _status(server: ApiServer, path: str, context: ssl.SSLContext) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(f"{server.url}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


def test_programs_are_of_the_pinned_versions(binaries: Binaries) -> None:
    """What is tested against is Kubernetes 1.36 and etcd 3.5 or 3.6; built by ourselves, the very versions pinned."""
    versions = binaries.versions()
    assert versions["kube-apiserver"].startswith("1.36.")
    assert versions["etcd"].startswith(("3.5.", "3.6."))
    if not os.environ.get("KUBEBUILDER_ASSETS"):
        assert {"kube-apiserver": pinned()["kubernetes"], "etcd": pinned()["etcd"]} == versions


def test_kubectl_works_with_the_admin_kubeconfig(binaries: Binaries, server: ApiServer, tmp_path: Path) -> None:
    """The admin kubeconfig, which has everything inline, works with kubectl, and the audit log tells of it."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(server.kubeconfig("somebody"))
    assert "yes" == _kubectl(binaries, kubeconfig, "auth", "can-i", "*", "*").strip()
    assert "default" in _kubectl(binaries, kubeconfig, "get", "namespaces", "--output=name")
    seen = [event for event in server.audit() if event["user"]["username"] == "somebody"]
    refs = [(event["verb"], event.get("objectRef", {}).get("resource")) for event in seen]
    assert ("list", "namespaces") in refs


def test_the_audit_log_has_the_bodies_of_writes_on_demand(
    binaries: Binaries, plane: ControlPlane, tmp_path: Path
) -> None:
    """What was sent and answered is there for writes alone, and on no server that was not asked to keep it."""
    for wanted in (True, False):
        server = plane.api_server(f"bodies-{wanted}".lower(), bodies=wanted)
        kubeconfig = tmp_path / f"{wanted}"
        kubeconfig.write_bytes(server.kubeconfig("somebody"))
        _kubectl(binaries, kubeconfig, "create", "configmap", "one", "--from-literal=a=b")
        _kubectl(binaries, kubeconfig, "get", "configmap", "one")
        seen = [event for event in server.audit() if event["user"]["username"] == "somebody"]
        told = {event["verb"]: (event.get("requestObject"), event.get("responseObject")) for event in seen}
        server.stop()
        sent, answered = told["create"]
        assert (None, None) == told["get"]
        assert wanted is bool(sent and answered and sent["data"] == answered["data"])


def test_rights_are_enforced(binaries: Binaries, server: ApiServer, tmp_path: Path) -> None:
    """Who is in no group has no rights but those of everybody."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(server.kubeconfig("nobody", ()))
    command = [binaries.path("kubectl"), f"--kubeconfig={kubeconfig}", "get", "secrets"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 1 == done.returncode
    assert 'User "nobody" cannot list resource "secrets"' in done.stderr


def test_service_account_tokens_are_issued_and_accepted(binaries: Binaries, server: ApiServer, tmp_path: Path) -> None:
    """The server signs tokens of service accounts and knows them again."""
    admin, account = tmp_path / "admin", tmp_path / "account"
    admin.write_bytes(server.kubeconfig())
    _kubectl(binaries, admin, "create", "serviceaccount", "tokens", "--namespace=default")
    token = _kubectl(binaries, admin, "create", "token", "tokens", "--namespace=default").strip()
    account.write_bytes(server.kubeconfig("tokens", token=token))
    who = json.loads(_kubectl(binaries, account, "auth", "whoami", "--output=json"))
    assert "system:serviceaccount:default:tokens" == who["status"]["userInfo"]["username"]


def test_servers_share_etcd_but_no_objects(
    binaries: Binaries, plane: ControlPlane, server: ApiServer, tmp_path: Path
) -> None:
    """Two API servers on one etcd know nothing of each other's objects, certificates or tokens."""
    one, other = tmp_path / "one", tmp_path / "other"
    neighbour = plane.api_server("neighbour")
    try:
        one.write_bytes(server.kubeconfig())
        other.write_bytes(neighbour.kubeconfig())
        _kubectl(binaries, one, "create", "namespace", "only-here")
        assert "only-here" not in _kubectl(binaries, other, "get", "namespaces", "--output=name")
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            _status(neighbour, "/readyz", server.client_context())
    finally:
        neighbour.stop()


def test_objects_outlive_a_restart(binaries: Binaries, plane: ControlPlane, tmp_path: Path) -> None:
    """A server that was stopped or killed starts again at its address, with its objects; old kubeconfigs hold."""
    again = plane.api_server("again")
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(again.kubeconfig())
    for number, end in enumerate((again.stop, again.kill)):
        _kubectl(binaries, kubeconfig, "create", "namespace", f"kept-{number}")
        end()
        assert not again.running
        again.start()
        assert f"namespace/kept-{number}" in _kubectl(binaries, kubeconfig, "get", "namespaces", "--output=name")
    again.stop()


def test_controllers_can_be_had(binaries: Binaries, plane: ControlPlane, tmp_path: Path) -> None:
    """With the namespace controller running, a deleted namespace really goes; it ends with its server."""
    controlled = plane.api_server("controlled")
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(controlled.kubeconfig())
    controlled.start_controllers("namespace-controller")
    _kubectl(binaries, kubeconfig, "create", "namespace", "short")
    _kubectl(binaries, kubeconfig, "delete", "namespace", "short", "--timeout=30s")
    assert "short" not in _kubectl(binaries, kubeconfig, "get", "namespaces", "--output=name")
    running = controlled.controlled
    controlled.stop()
    assert (True, False) == (running, controlled.controlled)


def test_a_crashed_run_leaves_no_server_behind(tmp_path: Path) -> None:
    """When the process that started the servers is killed without a word, they end by themselves."""
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", _CRASHING], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        pids = [int(pid) for pid in run.stdout.readline().split()]
        assert [True, True] == [_runs(pid) for pid in pids]
        run.send_signal(signal.SIGKILL)
        run.wait()
    end = time.monotonic() + 30
    while any(_runs(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert [False, False] == [_runs(pid) for pid in pids]


def test_a_frozen_server_can_be_stopped(plane: ControlPlane) -> None:
    """A server that is frozen, and so cannot hear that it should end, ends all the same."""
    frozen = plane.api_server("frozen")
    pid = frozen.process.pid
    frozen.process.freeze()
    frozen.stop()
    assert not _runs(pid)


def test_assets_come_first_and_must_be_whole(tmp_path: Path) -> None:
    """KUBEBUILDER_ASSETS is what counts where it is set; a folder that lacks a program is refused by name."""
    with pytest.raises(NoBinaries, match=r"has no program etcd; set KUBEBUILDER_ASSETS"):
        find({"KUBEBUILDER_ASSETS": str(tmp_path)})
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (tmp_path / name).touch(mode=0o755)
    found = find({"KUBEBUILDER_ASSETS": str(tmp_path)})
    assert found is not None
    assert str(tmp_path / "etcd") == found.path("etcd")
    with pytest.raises(NoBinaries, match="has no program kube-controller-manager"):
        found.path("kube-controller-manager")


def test_what_is_missing_is_told_in_one_line(tmp_path: Path) -> None:
    """Where there are neither programs nor Go, one line says so and what would help."""
    why = missing({"HOME": str(tmp_path), "PATH": str(tmp_path)})
    assert why.startswith("neither programs of a control plane nor Go are at hand: set KUBEBUILDER_ASSETS")
    assert "\n" not in why
