"""Celery's thin way in to what concerns the site as a whole."""

from celery import shared_task

from config import heartbeat


@shared_task(name="config.tasks.heartbeat", ignore_result=True)
def beat() -> None:
    """Prove that a worker executes tasks."""
    heartbeat.beat()
