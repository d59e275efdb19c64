"""Log lines: a dotted event name followed by its fields, never a sentence with values inside.

    2026-11-02T10:31:07.120Z INFO sandboxes.reconcile sandbox.moved to=ready sandbox=1f3a… request=8c1d…

One formatter for every process, for our lines and for those of Django, uvicorn, Celery and Channels: "line"
for a person, "json" for machines. What a request, a task or a round is about is bound once
(structlog.contextvars) and stands in every line that follows from it. No Django here: the sandbox host logs
by this too.
"""

import json
import logging
import logging.config
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from config import env, plain

with plain.printing():
    from structlog.contextvars import bound_contextvars, merge_contextvars
    from structlog.processors import format_exc_info
    from structlog.stdlib import ExtraAdder, ProcessorFormatter
    from structlog.typing import EventDict

from config.redaction import redact

__all__ = ("bound_contextvars", "configure", "formatter", "from_environment", "plan")

FORMATS = ("line", "json")

# What libraries attach for themselves: objects, copies for colour terminals, a task's arguments.
_NOT_FIELDS = ("color_message", "websocket", "data", "taskName", "asctime", "message")
_BARE = re.compile(r"[\w.\-/:<>+@,*]+", re.ASCII)
_CONTEXT = ("attempt", "sandbox", "user", "request")
_HEAD = ("time", "level", "logger", "event")


def _only_fields(logger: Any, name: str, event: EventDict) -> EventDict:
    """Leave out what is no field; Django attaches its request object under the name of our request id."""
    for key in _NOT_FIELDS:
        event.pop(key, None)
    if not isinstance(event.get("request", ""), str):
        del event["request"]
    return event


def _with_context_last(logger: Any, name: str, event: EventDict) -> EventDict:
    """Whom and what it is about, in one order; what is not known is left out.

    A bound user may be a question, which is answered only now: see `config.tracing`.
    """
    for key in _CONTEXT:
        value = event.pop(key, None)
        value = value() if callable(value) else value
        if value not in {None, ""}:
            event[key] = value
    return event


def _with_head(logger: Any, name: str, event: EventDict) -> EventDict:
    """When, how grave and from where, before everything else."""
    record: logging.LogRecord = event.pop("_record")
    del event["_from_structlog"]
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return {"time": f"{at[:-6]}Z", "level": record.levelname, "logger": record.name, **event}


def _as_line(logger: Any, name: str, event: EventDict) -> str:
    """Fields in the order they came; only a traceback, or a library's own text, takes further lines."""
    trace = event.pop("exception", "")
    head = [_sentence(str(event.pop(key))) for key in _HEAD]
    line = " ".join([*head, *(f"{key}={_word(value)}" for key, value in event.items())])
    return f"{line}\n    {_sentence(trace)}" if trace else line


def _sentence(text: str) -> str:
    """Further lines are indented, and control characters shown: nobody's text can pass for a line of ours."""
    if text.isprintable():
        return text
    return "\n    ".join(map(_shown, text.splitlines()))


def _shown(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _word(value: Any) -> str:
    """A value without spaces as it is, any other in quotes with JSON's escapes."""
    text = str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=not text.isprintable())


def _as_json(logger: Any, name: str, event: EventDict) -> str:
    try:
        return orjson.dumps(event).decode()
    except TypeError:  # a number of more than 64 bits, or half a surrogate pair
        return json.dumps(event)


_RENDERERS: dict[str, Callable[[Any, str, EventDict], str]] = {"line": _as_line, "json": _as_json}


def formatter(form: str) -> ProcessorFormatter:
    """The formatter of all our processes; form: "line" or "json"."""
    chain = (ExtraAdder(), _only_fields, merge_contextvars, _with_context_last, _with_head, format_exc_info)
    return ProcessorFormatter(processors=[*chain, redact, _RENDERERS[form]])


class NotRequeued(logging.Filter):
    """For kombu: a doorbell that arrives while a worker stops goes back to Redis, as it should.

    kombu warns of it as of a message that nobody will ever take, which is another matter.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Requeuing undeliverable message")


def plan(level: str, form: str) -> dict[str, Any]:
    """For logging.config.dictConfig, which is what Django's LOGGING setting goes to."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ours": {"()": "config.logging.formatter", "form": form}},
        "filters": {"not_requeued": {"()": "config.logging.NotRequeued"}},
        "handlers": {"console": {"class": "config.logstream.LogStream", "formatter": "ours"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Their view of a refused or failed page; ours are http.request, page.failed and csrf.refused.
            "django.request": {"level": "CRITICAL"},
            "django.security.csrf": {"level": "CRITICAL"},
            # uvicorn gives its loggers handlers of their own before it loads the site.
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.access": {"handlers": [], "propagate": True, "level": "WARNING"},
            "uvicorn.error": {"handlers": [], "propagate": True},
            "kombu.transport.virtual.base": {"filters": ["not_requeued"]},
            # A doorbell that rings is no news; what it led to is logged by those who did it.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
        },
    }


def from_environment() -> dict[str, Any]:
    """The plan that LOG_LEVEL and LOG_FORMAT ask for; raises BadSetting."""
    levels = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    return plan(env.choice("LOG_LEVEL", "INFO", levels), env.choice("LOG_FORMAT", "line", FORMATS))


def configure() -> None:
    """For a process without Django."""
    logging.config.dictConfig(from_environment())
