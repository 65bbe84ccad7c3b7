"""Real Flower federations on loopback: a SuperLink, SuperNodes behind counting proxies, and the app in `flower_app`."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import psutil

from harness.core.types import Direction
from tests.runs import REPOSITORY
from tests.sockets import Exchange, Wire, proxy

_SCRIPTS = Path(sys.executable).parent


@dataclass
class Federation:
    """A running federation.

    Attributes:
        folder: its working folder; logs lie in ``*.log``.
        environment: variables of all its processes.
        wires: what crossed between each SuperNode and the SuperLink.
        nodes: the SuperNodes, by partition.
    """

    folder: Path
    environment: Mapping[str, str]
    wires: list[Wire]
    nodes: list[subprocess.Popen[bytes]]

    def start(self, **config: Any) -> subprocess.Popen[str]:
        """Start the app with a run configuration."""
        settings = " ".join(
            f'{key}="{value}"' if isinstance(value, str) else f"{key}={value}" for key, value in config.items()
        )
        return subprocess.Popen(
            [_SCRIPTS / "flwr", "run", self.folder / "app", "bench", "--run-config", settings, "--stream"],
            env=dict(self.environment),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def kill_node(self, number: int) -> None:
        """End a SuperNode and its client at once, as a power cut would."""
        _kill(self.nodes[number])


@contextmanager
def federation(folder: Path, n_nodes: int = 4) -> Iterator[Federation]:
    """A SuperLink and SuperNodes, ready to run the app."""
    port = free_port()
    home = folder / "home"
    home.mkdir(parents=True)
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "bench"\n[superlink.bench]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
    )
    shutil.copytree(REPOSITORY / "tests" / "flower_app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {
        "FLWR_HOME": str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "PYTHONPATH": str(REPOSITORY),
        "PATH": os.pathsep.join([str(_SCRIPTS), os.environ["PATH"]]),
        "COLUMNS": "200",
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    }
    with ExitStack() as stack:

        def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [_SCRIPTS / arguments[0], "--insecure", *arguments[1:]],
                env=environment,
                cwd=folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            stack.callback(_kill, process)
            return process

        link = start("superlink", "flower-superlink", "--port", str(port), "--disable-runtime-dependency-installation")
        wait_until(lambda: _says(folder / "superlink.log", "Uvicorn running"), link)
        wires = [stack.enter_context(proxy(port)) for _ in range(n_nodes)]
        nodes = [
            start(
                f"node{number}",
                "flower-supernode",
                "--superlink",
                f"127.0.0.1:{wire.port}",
                "--port",
                str(free_port()),
                "--node-config",
                f"partition-id={number} num-partitions={n_nodes}",
            )
            for number, wire in enumerate(wires)
        ]
        for number, node in enumerate(nodes):
            wait_until(lambda: _says(folder / f"node{number}.log", "SuperNode ID"), node)  # noqa: B023 - used at once
        yield Federation(folder, environment, wires, nodes)


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def wait_until(is_there: Callable[[], bool], process: subprocess.Popen[Any], at_most_s: float = 120) -> None:
    """Wait for something that a process does; an error if it ends before."""
    end = time.monotonic() + at_most_s
    while not is_there():
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
        if process.returncode is not None or time.monotonic() > end:
            raise AssertionError(f"{process.args}: it never came so far")


def _says(log: Path, text: str) -> bool:
    return text in log.read_text(errors="replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started, whatever session that is in."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        for each in [*parent.children(recursive=True), parent]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait()


@dataclass(frozen=True)
class Framing:
    """What stands around payloads on the sockets of all nodes, bytes of TCP streams.

    Attributes:
        n_messages: messages in each direction.
        totals: by what exchanges are for: how many, bytes of requests, bytes of answers; payloads left out.
    """

    n_messages: int
    totals: Mapping[str, tuple[int, int, int]]

    def per_message(self, direction: Direction) -> tuple[float, float, float]:
        """Exchanges, bytes beside the payload on its way, and bytes against its way."""
        n_exchanges, up, down = (count / self.n_messages for count in self.totals[direction])
        return (n_exchanges, up, down) if direction == "uplink" else (n_exchanges, down, up)

    def __str__(self) -> str:
        lines = [f"{'':10} {'exchanges':>9} {'requests B':>10} {'answers B':>10}   payloads left out"]
        lines += [f"{name:10} {count:9} {up:10} {down:10}" for name, (count, up, down) in sorted(self.totals.items())]
        for way in get_args(Direction):
            lines.append(
                "a message {}: {:.2f} exchanges, {:.0f} B with it, {:.0f} B against it".format(
                    way, *self.per_message(way)
                )
            )
        return "\n".join(lines)


def framing(wires: Sequence[Wire]) -> Framing:
    """Account for every byte of every exchange."""
    totals: dict[str, list[int]] = {}
    n_messages = 0
    for wire in wires:
        for exchange in wire.exchanges():
            sent, received = chunks(exchange.request), chunks(exchange.response)
            n_messages += len(sent)
            total = totals.setdefault(_purpose(exchange), [0, 0, 0])
            total[0] += 1
            total[1] += len(exchange.request) - sum(map(len, sent))
            total[2] += len(exchange.response) - sum(map(len, received))
    return Framing(n_messages, {name: (count, up, down) for name, (count, up, down) in totals.items()})


def chunks(stream: bytes) -> list[bytes]:
    """The data of arrays in a stream, each as the app gave it to Flower."""
    return [
        stream[found.end() : found.end() + int(found.group(1))]
        for found in re.finditer(rb"ArrayChunk  (\d+)\0", stream)
    ]


def _purpose(exchange: Exchange) -> str:
    call = exchange.path.rpartition("/")[2]
    if call == "pull-messages":
        body = exchange.response.partition(b"\r\n\r\n")[2]
        return "downlink" if b"train" in body else "polling"
    known = {
        "pull-object": "downlink",
        "confirm-message-received": "downlink",
        "push-messages": "uplink",
        "push-object": "uplink",
        "send-node-heartbeat": "polling",
    }
    return known.get(call, "once")
