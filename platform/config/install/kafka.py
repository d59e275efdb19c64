"""Steps: the JRE, the formatted log directory every sandbox starts from, and the JVM's ahead-of-time cache.

Flags, settings and the training run belong to the local backend: what is trained is what is run.
"""

import subprocess
from pathlib import Path

from config import paths
from config.install import jars, tools
from config.install.faults import SetupFault
from config.install.stamps import SHARED, fingerprint
from config.install.steps import Step
from sandboxes.backends.local import build, prepared
from sandboxes.backends.local import kafka as local_kafka
from sandboxes.backends.local import settings as local_settings

JAVA_HOME = local_settings.from_installation().java_home
JAVA = JAVA_HOME / "bin" / "java"


def _java_mark() -> str:
    return fingerprint(str(JAVA), JAVA_HOME / "release")


def java_is_current() -> bool:
    return JAVA.exists() and SHARED.is_fresh("java", _java_mark())


def check_java() -> str:
    """Start the JRE once: a wheel for another C library or a folder mounted noexec shows here, in words."""
    try:
        told = subprocess.run([JAVA, "-version"], capture_output=True, text=True, check=False)
    except OSError as error:
        told = subprocess.CompletedProcess([], 1, "", str(error))
    if told.returncode:
        tools.note(told.stderr)
        raise SetupFault(
            "The Java runtime that came with the packages does not start on this machine.",
            f"Its own words are in {tools.SETUP_LOG}; a file system mounted noexec is the usual cause.",
        )
    SHARED.write("java", _java_mark())
    return told.stderr.split('"')[1] if '"' in told.stderr else ""


def _template_mark() -> str:
    return fingerprint(jars.LOCK, _java_mark(), Path(local_kafka.__file__), Path(build.__file__))


def template_is_current() -> bool:
    return prepared.is_whole(paths.KAFKA_TEMPLATE_DIR) and SHARED.is_fresh("template", _template_mark())


def format_template() -> str:
    try:
        build.format_template(java=JAVA, jars=paths.KAFKA_DIR, target=paths.KAFKA_TEMPLATE_DIR)
    except build.BuildError as error:
        raise _kafka_fault("format its first log directory", error) from error
    SHARED.write("template", _template_mark())
    return ""


def aot_cache() -> Path:
    """Where the cache for exactly this JRE, these jars and these flags belongs."""
    return local_kafka.aot_path(paths.AOT_DIR, java_home=JAVA_HOME, jars=paths.KAFKA_DIR)


def aot_is_current() -> bool:
    return prepared.is_whole(aot_cache())


def train_aot_cache() -> str:
    """Run a broker for a moment, with real work, and keep what its JVM learnt; older caches go."""
    try:
        build.train_aot_cache(
            java=JAVA, jars=paths.KAFKA_DIR, template=paths.KAFKA_TEMPLATE_DIR, target=aot_cache()
        )
    except build.BuildError as error:
        raise _kafka_fault("start for its training run", error) from error
    for stale in paths.AOT_DIR.iterdir():
        if not stale.name.startswith(aot_cache().name):
            stale.unlink()
    return f"{aot_cache().stat().st_size / 1e6:.0f} MB"


def _kafka_fault(deed: str, error: Exception) -> SetupFault:
    tools.note(str(error))
    return SetupFault(f"Kafka could not {deed}.", f"Its own words are in {tools.SETUP_LOG}.")


JRE = Step(title="Java runtime", is_current=java_is_current, run=check_java)
TEMPLATE = Step(title="Kafka's empty log", is_current=template_is_current, run=format_template)
AOT = Step(title="Kafka's quick start", is_current=aot_is_current, run=train_aot_cache)
