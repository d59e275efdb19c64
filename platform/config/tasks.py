"""Celery's thin way in to what concerns the site as a whole."""

from celery import shared_task

from config import heartbeat, retention


@shared_task(name="config.tasks.heartbeat", ignore_result=True)
def beat() -> None:
    """Prove that a worker executes tasks."""
    heartbeat.beat()


@shared_task(name="config.tasks.retention", ignore_result=True)
def forget() -> dict[str, int]:
    """Remove what is old enough; return how many rows of what."""
    return dict(retention.remove())
