"""Step: Kafka's jars, from deploy/kafka.lock into KAFKA_DIR."""

from config import paths
from config.install import maven
from config.install.steps import Step

LOCK = paths.BASE_DIR / "deploy" / "kafka.lock"


def is_current() -> bool:
    return not maven.missing(maven.read_lock(LOCK), paths.KAFKA_DIR)


def fetch() -> str:
    """Fetch what is missing and drop what an older lock left behind."""
    jars = maven.read_lock(LOCK)
    wanted = {jar.filename for jar in jars}
    for stale in paths.KAFKA_DIR.glob("*.jar"):
        if stale.name not in wanted:
            stale.unlink()
    fetched = maven.missing(jars, paths.KAFKA_DIR)
    maven.fetch_all(fetched, paths.KAFKA_DIR)
    return f"{len(fetched)} files, {sum(jar.size for jar in fetched) / 1e6:.0f} MB"


STEP = Step(title="Kafka", is_current=is_current, run=fetch)
