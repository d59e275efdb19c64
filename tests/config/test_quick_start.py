"""What set-up makes for all sandboxes: the formatted log directory and the JVM's ahead-of-time cache."""

import signal
import subprocess
from pathlib import Path

import pytest

from config import paths
from config.install import kafka as setup
from sandboxes.backends.local import build, kafka

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("broker outside a sandbox")]


def command(folder: Path, *flags: str) -> list[str]:
    """The training broker's own command line, with `flags` added."""
    log_dir = folder / "log"
    kafka.clone_template(paths.KAFKA_TEMPLATE_DIR, log_dir, cluster_id=kafka.new_cluster_id(), node_id=1)
    properties = build._properties(folder, log_dir)
    java, *rest = build._command(setup.JAVA, paths.KAFKA_DIR, None, kafka.MAIN_CLASS)
    return [java, *flags, *rest, str(properties)]


def test_the_cache_fits_this_very_jvm_class_path_and_flags(tmp_path: Path) -> None:
    """AOTMode=on makes the JVM refuse to start where it would otherwise go on slowly without a word."""
    argv = command(tmp_path, "-XX:AOTMode=on", f"-XX:AOTCache={setup.aot_cache()}")
    out = tmp_path / "out"
    with out.open("wb") as stream, subprocess.Popen(argv, stdout=stream, stderr=stream) as broker:
        try:
            build._wait_for_port(kafka.PROFILES["kafka-1"].nodes[0].platform_port, broker, out)
        finally:
            broker.send_signal(signal.SIGTERM)
            broker.wait(30)


def test_a_cache_of_other_flags_would_have_been_refused(tmp_path: Path) -> None:
    """The test above can fail: with another garbage collector the same cache stops the JVM."""
    argv = command(tmp_path, "-XX:AOTMode=on", f"-XX:AOTCache={setup.aot_cache()}")
    argv[argv.index("-XX:+UseCompactObjectHeaders")] = "-XX:-UseCompactObjectHeaders"
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "AOT" in done.stdout + done.stderr


def test_the_template_is_formatted_and_holds_nobodys_identity(tmp_path: Path) -> None:
    for number in (1, 2):
        kafka.clone_template(
            paths.KAFKA_TEMPLATE_DIR, tmp_path / str(number), cluster_id=f"cluster-{number}", node_id=number
        )
    first, second = ((tmp_path / name / "meta.properties").read_text() for name in "12")
    assert "cluster.id=cluster-1" in first
    assert "node.id=2" in second
    assert first.split("directory.id=")[1] != second.split("directory.id=")[1]
