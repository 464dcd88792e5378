"""What a real server process sends to systemd, received at a socket such as systemd's (sd_notify(3))."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tooling.network import free_ports

WATCHDOG_INTERVAL = 0.1
"""Seconds between two WATCHDOG messages: half the period that the service is given."""


class Systemd:
    """Receives the messages as systemd does."""

    def __init__(self, address: str) -> None:
        """Listen at `address`, in the form of NOTIFY_SOCKET."""
        self.address = address
        self.received: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def wait_for(self, message: str, seconds: float = 20.0) -> None:
        """Wait until `message` arrives; fail when it does not arrive in time."""
        deadline = time.monotonic() + seconds
        while True:
            assert time.monotonic() < deadline, f"{message} did not arrive in time, but {self.received}"
            if self._next(deadline - time.monotonic()) == message:
                return

    def receive_for(self, seconds: float) -> list[str]:
        """Return the messages that arrive in the next seconds."""
        deadline = time.monotonic() + seconds
        before = len(self.received)
        while (left := deadline - time.monotonic()) > 0:
            self._next(left)
        return self.received[before:]

    def _next(self, seconds: float) -> str | None:
        self._socket.settimeout(max(seconds, 0.001))
        try:
            self.received.append(self._socket.recv(4096).decode())
        except TimeoutError:
            return None
        return self.received[-1]


@dataclass
class Service:
    """A server process, its address and its log."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def get(self, path: str) -> int:
        """Return the HTTP status of a GET request."""
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:  # noqa: S310  (our own http)
            return int(answer.status)

    def wait_for_log(self, words: str, seconds: float = 20.0) -> None:
        """Wait until the log contains `words`; fail when that takes too long."""
        deadline = time.monotonic() + seconds
        while words not in (log := self.log.read_text()):
            assert time.monotonic() < deadline, f"{words!r} is not in the log:\n{log}"
            time.sleep(0.02)

    def stop(self) -> int:
        """Stop it as systemd would, and return its exit code."""
        self.process.terminate()
        return self.process.wait(20)


Serve = Callable[..., Service]


@pytest.fixture
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    """Listen at a path, or with a parameter at that name in the abstract namespace."""
    abstract = getattr(request, "param", None)
    listening = Systemd(f"@{abstract}-{os.getpid()}" if abstract else str(tmp_path / "notify"))
    yield listening
    listening.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server process; `before` is Python that it runs first."""
    services: list[Service] = []

    def start(before: str = "", source: str = "emulated", **environment: str) -> Service:
        port = free_ports(0)[0]
        (file := tmp_path / "config.toml").write_text(
            f"[server]\nhost = '127.0.0.1'\nport = {port}\nstate_dir = '{tmp_path / 'state'}'\n"
            f"[[camera]]\nsource = '{source}'\nsize = [320, 240]\nlinger = 0\n"
            "[[camera]]\nname = 'Good'\nsource = 'emulated'\nsize = [320, 240]\n"
        )
        script = f"{textwrap.dedent(before)}\nimport sys\nfrom pi_mjpeg_server.cli import main\nsys.exit(main())\n"
        inherited = {key: value for key, value in os.environ.items() if key not in {"NOTIFY_SOCKET", "WATCHDOG_USEC"}}
        with (log := tmp_path / "server.log").open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", script, "run", "--no-auth", "--config", str(file)],
                env={**inherited, **environment},
                stderr=stderr,
            )
        services.append(Service(process, f"http://127.0.0.1:{port}", log))
        return services[-1]

    yield start
    for service in services:
        service.stop()


def with_watchdog(systemd: Systemd) -> dict[str, str]:
    """Return the environment of a service with a watchdog."""
    return {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": str(round(2 * WATCHDOG_INTERVAL * 1_000_000))}


def test_a_state_folder_whose_disk_comes_late_is_waited_for(systemd: Systemd, serve: Serve, tmp_path: Path) -> None:
    # A link to itself: the one way not to get a folder that root does not have either.
    (tmp_path / "state").symlink_to(tmp_path / "state")
    service = serve(NOTIFY_SOCKET=systemd.address)
    service.wait_for_log("trying again until it can be used")
    received = systemd.receive_for(2.5)
    assert len(received) >= 2
    for message in received:
        assert message.startswith("STATUS=Waiting: state_dir: cannot keep state in ")
        extended = int(message.partition("\nEXTEND_TIMEOUT_USEC=")[2])
        assert 20_000_000 < extended < 90_000_000
    (tmp_path / "state").unlink()
    systemd.wait_for("READY=1")
    assert service.get("/healthz") == 200
    log = service.log.read_text()
    assert log.count("trying again until it can be used") == 1
    assert log.count("can be used now") == 1
    assert (tmp_path / "state" / "node-id").exists()


def test_a_service_that_waits_for_its_state_folder_can_be_stopped(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "state").symlink_to(tmp_path / "state")
    service = serve()
    service.wait_for_log("trying again until it can be used")
    assert service.stop() == 0
    assert "Traceback" not in service.log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="it mounts a disk of its own, as root")
@pytest.mark.parametrize(
    ("options", "bad", "good"),
    [
        ("ro", ":", "mount -o remount,rw tmpfs $state"),
        ("size=16k", "dd if=/dev/zero of=$state/full bs=4k 2>/dev/null || :", "rm $state/full"),
    ],
)
def test_a_disk_that_is_read_only_or_full_is_waited_for(
    tmp_path: Path, systemd: Systemd, options: str, bad: str, good: str
) -> None:
    (state := tmp_path / "state").mkdir()
    port = free_ports(0)[0]
    script = f"""
        state={state}
        mount -t tmpfs -o {options} tmpfs $state
        {bad}
        (sleep 4; {good}) &
        exec "$0" -m pi_mjpeg_server run --no-auth --zeroconf false --source emulated --host 127.0.0.1 --port {port} \\
            --state-dir $state
    """
    command = ["unshare", "--mount", "sh", "-e", "-c", textwrap.dedent(script), sys.executable]
    environment = {**os.environ, "NOTIFY_SOCKET": systemd.address}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)  # noqa: S603
    try:
        systemd.wait_for("READY=1", 30)
        assert any(message.startswith("STATUS=Waiting: ") for message in systemd.received)
    finally:
        process.terminate()
        _, log = process.communicate(timeout=20)
    assert log.count(b"trying again until it can be used") == 1
    assert process.returncode == 0


@pytest.mark.parametrize("systemd", ["pi-mjpeg"], indirect=True)
def test_systemd_may_listen_in_the_abstract_namespace(systemd: Systemd, serve: Serve) -> None:
    serve(NOTIFY_SOCKET=systemd.address)
    systemd.wait_for("READY=1")


def test_systemd_receives_every_state_of_the_service_in_order(systemd: Systemd, serve: Serve) -> None:
    service = serve(NOTIFY_SOCKET=systemd.address)
    systemd.wait_for("READY=1")
    assert service.get("/healthz") == 200
    systemd.wait_for("STATUS=2 cameras, 0 viewers")
    with urllib.request.urlopen(f"{service.url}/stream", timeout=20) as stream:  # noqa: S310
        assert stream.read(1000)
        systemd.wait_for("STATUS=2 cameras, 1 viewer")
    systemd.wait_for("STATUS=2 cameras, 0 viewers")
    assert service.get("/cameras/camera/snapshot.jpg") == 200
    assert systemd.receive_for(1.5) == [], "a camera came and went, which changes none of the numbers"
    assert service.stop() == 0
    systemd.wait_for("STOPPING=1")
    assert systemd.received[0] == "READY=1"
    assert systemd.received[-1] == "STOPPING=1"
    assert systemd.received.count("READY=1") == systemd.received.count("STOPPING=1") == 1
    assert len(systemd.received) == 5, "no watchdog is fed where there is none"


def test_the_watchdog_is_not_fed_while_the_event_loop_hangs(systemd: Systemd, serve: Serve) -> None:
    hang = """
        import os, signal, socket, time

        def tell(message):
            address = os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.sendto(message, address)

        def hang(*_):
            tell(b"hangs")
            time.sleep(1)
            tell(b"turns")

        signal.signal(signal.SIGUSR1, hang)
    """
    service = serve(hang, **with_watchdog(systemd))
    for _ in range(3):
        systemd.wait_for("WATCHDOG=1")
    service.process.send_signal(signal.SIGUSR1)
    systemd.wait_for("turns")
    hung = systemd.received.index("hangs")
    assert systemd.received[hung + 1] == "turns"
    systemd.wait_for("WATCHDOG=1")


@pytest.mark.parametrize(("period", "process"), [("0", None), ("soon", None), ("200000", "1")])
def test_a_watchdog_for_another_process_is_not_fed(
    period: str, process: str | None, systemd: Systemd, serve: Serve
) -> None:
    named = {} if process is None else {"WATCHDOG_PID": process}
    serve(NOTIFY_SOCKET=systemd.address, WATCHDOG_USEC=period, **named)
    systemd.wait_for("READY=1")
    assert "WATCHDOG=1" not in systemd.receive_for(5 * WATCHDOG_INTERVAL)


def test_a_stuck_camera_stops_the_watchdog_messages_while_the_others_go_on(
    systemd: Systemd, serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "blocking_camera.py").write_text(
        "import threading\n"
        "from pi_mjpeg_server.sources import SourceInfo\n"
        "class Blocking:\n"
        "    def __init__(self, settings): pass\n"
        "    @staticmethod\n"
        "    def devices(): return []\n"
        "    def open(self): return SourceInfo(model='Blocking')\n"
        "    def frames(self):\n"
        "        threading.Event().wait()\n"
        "        yield None\n"
        "    def close(self): pass\n"
    )
    (information := tmp_path / "blocking_camera-1.0.dist-info").mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: blocking-camera\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[pi_mjpeg.sources]\nblocking = blocking_camera:Blocking\n")
    hurry = """
        from pi_mjpeg_server.camera import supervisor

        supervisor.START_TIMEOUT, supervisor.STOP_TIMEOUT, supervisor.RETRY_DELAYS = 1.0, 0.5, (0.1,)
    """
    service = serve(hurry, "blocking", **with_watchdog(systemd), PYTHONPATH=str(tmp_path))
    systemd.wait_for("WATCHDOG=1")
    systemd.wait_for("STATUS=2 cameras (1 without a picture), 0 viewers")
    service.wait_for_log("the watchdog is no longer fed")
    # Messages that were sent before the log line was written may still have to be received.
    systemd.receive_for(2 * WATCHDOG_INTERVAL)
    assert "WATCHDOG=1" not in systemd.receive_for(10 * WATCHDOG_INTERVAL)
    assert service.log.read_text().count("the watchdog is no longer fed") == 1
    assert service.get("/cameras/camera_2/snapshot.jpg") == 200
    # This is what systemd does now: the log then shows where the driver hangs.
    service.process.send_signal(signal.SIGABRT)
    service.wait_for_log("blocking_camera.py")


def test_a_camera_that_is_off_is_no_failure(systemd: Systemd, serve: Serve) -> None:
    service = serve(**with_watchdog(systemd))
    systemd.wait_for("STATUS=2 cameras, 0 viewers")
    request = urllib.request.Request(  # noqa: S310
        f"{service.url}/api/cameras/camera", b'{"enabled": false}', method="PATCH"
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        assert answer.status == 200
    systemd.wait_for("STATUS=2 cameras (1 off), 0 viewers")
    assert systemd.receive_for(10 * WATCHDOG_INTERVAL).count("WATCHDOG=1") > 5
    warnings = [line for line in service.log.read_text().splitlines() if " WARNING " in line]
    assert [line for line in warnings if "everybody" not in line] == []


def test_without_systemd_nothing_is_sent_and_nothing_is_logged_about_it(serve: Serve) -> None:
    service = serve(WATCHDOG_USEC="200000")
    service.wait_for_log("serves http://")
    assert service.get("/cameras/camera/snapshot.jpg") == 200
    assert service.stop() == 0
    assert "systemd" not in service.log.read_text()


def test_a_systemd_that_cannot_be_reached_is_logged_and_the_server_works(serve: Serve, tmp_path: Path) -> None:
    service = serve(NOTIFY_SOCKET=str(tmp_path / "nobody"))
    service.wait_for_log("systemd could not be notified of READY=1")
    assert service.get("/cameras/camera/snapshot.jpg") == 200
