"""The Celery application: doorbells only, the database rows are the truth."""

import os
import warnings
from typing import Any

from celery import Celery, Task, signals
from structlog.contextvars import bind_contextvars, reset_contextvars

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("millrace")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Celery warns of root because a task might carry code; ours carry ids, as JSON, over a socket of our own.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")

_ID = "millrace_request"


@signals.setup_logging.connect
def leave_logging_alone(**signal: Any) -> None:
    """Django has set it up; with a receiver here Celery adds no handler and no format of its own."""


@signals.before_task_publish.connect
def send_the_id_along(headers: dict[str, Any], **signal: Any) -> None:
    """What follows from a request is found by the request's id, also in another process."""
    from config import tracing

    headers[_ID] = tracing.current()


@signals.task_prerun.connect
def bind_the_id(task: Task[Any, Any], **signal: Any) -> None:
    """Also beat's own tasks have one, so that a sweep and all it rings for share it."""
    from config import tracing

    sent = task.request.get(_ID) or (task.request.headers or {}).get(_ID)
    tokens = bind_contextvars(request=sent or tracing.new_id())
    task.request.update(bound=tokens)


@signals.task_postrun.connect
def after_a_task(task: Task[Any, Any], **signal: Any) -> None:
    """The thread goes on to another task."""
    from config import heartbeat

    reset_contextvars(**task.request.get("bound", {}))
    heartbeat.executed()
