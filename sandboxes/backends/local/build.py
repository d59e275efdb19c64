"""What set-up makes once for all sandboxes: the formatted template and the JVM's ahead-of-time cache.

Runs Kafka outside any sandbox, on loopback ports, for a few seconds. Both results are written aside and
renamed, so a half-made one is never used.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from sandboxes.backends.base import KafkaEndpoint
from sandboxes.backends.local import kafka, prepared

LOG4J = Path(__file__).with_name("log4j2.properties")
_PASSWORD = "training"  # noqa: S105 - of a broker that lives for seconds and holds nothing
_ADDRESS = "127.0.0.1"


class BuildError(Exception):
    """Kafka could not be run for set-up; the text holds the last lines it printed."""


def format_template(*, java: Path, jars: Path, target: Path) -> None:
    """Let Kafka format a log directory that every new sandbox starts from a copy of."""
    with tempfile.TemporaryDirectory(prefix="kafka-format-") as folder:
        made = Path(folder) / "log"
        properties = _properties(Path(folder), made)
        _run(
            [
                *_command(java, jars, None, "kafka.tools.StorageTool"),
                "format",
                *("-t", kafka.new_cluster_id()),
                *("-c", str(properties)),
            ]
        )
        _put_in_place(made, target)


def train_aot_cache(*, java: Path, jars: Path, template: Path, target: Path) -> None:
    """Start a broker once, let it answer, stop it: the JVM writes what it learnt at its end (5-10 s)."""
    with tempfile.TemporaryDirectory(prefix="kafka-aot-") as folder:
        log_dir, made = Path(folder) / "log", Path(folder) / "kafka.aot"
        kafka.clone_template(template, log_dir, cluster_id=kafka.new_cluster_id(), node_id=1)
        properties = _properties(Path(folder), log_dir)
        command = _command(java, jars, f"-XX:AOTCacheOutput={made}", kafka.MAIN_CLASS)
        _run_until_answer([*command, str(properties)], Path(folder) / "out")
        if not made.exists():
            raise BuildError(f"the JVM wrote no cache:\n{_tail(Path(folder) / 'out')}")
        _put_in_place(made, target)


def _properties(folder: Path, log_dir: Path) -> Path:
    profile = kafka.PROFILES["kafka-1"]
    text = kafka.server_properties(
        profile, profile.nodes[0], platform_address=_ADDRESS, password=_PASSWORD, log_dir=str(log_dir)
    )
    path = folder / "server.properties"
    path.write_text(text)
    return path


def _command(java: Path, jars: Path, extra: str | None, main_class: str) -> list[str]:
    flags = [*kafka.jvm_flags(None, log4j=str(LOG4J)), *([extra] if extra else [])]
    return [str(java), *flags, "-cp", kafka.classpath(jars, inside=str(jars)), main_class]


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, env=kafka.jvm_environment(), capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise BuildError((done.stdout + done.stderr)[-2000:])


def _run_until_answer(command: list[str], out: Path) -> None:
    with (
        out.open("wb") as stream,
        subprocess.Popen(command, env=kafka.jvm_environment(), stdout=stream, stderr=stream) as process,
    ):
        try:
            port = kafka.PROFILES["kafka-1"].nodes[0].platform_port
            _wait_for_port(port, process, out)
            _exercise(port)
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=90)
        finally:
            process.kill()


def _exercise(port: int) -> None:
    """Let the broker do a first minute's work, so that the cache knows those classes as well."""
    from confluent_kafka import KafkaException  # 20 MB that the host, which formats, is not to hold

    from sandboxes.backends.local.exercise import exercise

    endpoint = KafkaEndpoint(
        bootstrap_servers=f"{_ADDRESS}:{port}",
        cluster_id="",
        username=kafka.PLATFORM_USER,
        password=_PASSWORD,
    )
    try:
        exercise(endpoint.client_config())
    except (KafkaException, TimeoutError) as error:
        raise BuildError(f"the training broker did not do its exercise: {error}") from error


def _wait_for_port(port: int, process: subprocess.Popen[bytes], out: Path) -> None:
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex((_ADDRESS, port)) == 0:
                return
        time.sleep(0.05)
    raise BuildError(f"the training broker did not start:\n{_tail(out)}")


def _tail(out: Path) -> str:
    return out.read_text(errors="replace")[-2000:]


def _put_in_place(made: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    if made.is_dir():
        shutil.copytree(made, aside)
        shutil.rmtree(target, ignore_errors=True)
    else:
        shutil.copyfile(made, aside)
    aside.chmod(0o755 if aside.is_dir() else 0o644)
    aside.replace(target)
    prepared.seal(target)
