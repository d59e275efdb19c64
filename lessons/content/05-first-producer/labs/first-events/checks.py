"""Lab 5.1: fifty task.created events, judged by what is in the log after the program has ended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from lessons.checks import (
    AttemptFacts,
    Evidence,
    Fail,
    Pass,
    ProgramView,
    RecordView,
    SandboxView,
    Verdict,
    Waiting,
)

TOPIC = "task-events"
PROGRAM = "first-events/producer.py"
COUNT = 50
EVENT_TYPE = "task.created"
FIELDS = (
    "event_id",
    "event_type",
    "event_version",
    "occurred_at",
    "source",
    "task_id",
    "correlation_id",
    "actor",
    "data",
)

Complaint = tuple[str, str]  # cause, note


def arrive(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """All fifty are in the log after a run that ended well: the queue was emptied before the end."""
    run = _last_run(view, attempt)
    if run is None:
        return Waiting("Run producer.py to begin.", of=COUNT)
    records = _records_of(run, view, attempt)
    if run.running:
        return Waiting("producer.py is running.", done=min(len(records), COUNT), of=COUNT)
    if run.exit_code != 0:
        return Waiting("producer.py did not end well. Read its last lines, mend it and run it again.")
    if len(records) < COUNT:
        return Fail(
            "LOST_AT_EXIT",
            f"producer.py ended with exit code 0, and {len(records)} of {COUNT} records are in the log. "
            "The others were never handed to produce(), or were still in the program's queue when it ended.",
            evidence=[
                Evidence(at=run.ended_at, note=f"the program ended; {len(records)} records are in {TOPIC}")
            ],
            look="flush",
        )
    if len(records) > COUNT:
        return Fail(
            "SENT_TOO_MANY",
            f"One run of producer.py left {len(records)} records in the log. There are {COUNT} tasks, "
            "and each was created once.",
            evidence=_rows(records[COUNT:], "more than one for each task"),
            look="receipt",
        )
    return Pass(f"{COUNT} records, all still there after the program had ended.")


def keys(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """The key is the task id in plain UTF-8, the same as in the value."""
    return _each_record(
        view,
        attempt,
        _key_complaint,
        look="bytes",
        sentences={
            "KEY_MISSING": "{n} of 50 records have no key, so the events of one task may part ways.",
            "KEY_JSON_ENCODED": "{n} of 50 keys carry quotation marks: they are JSON, not the id itself.",
            "KEY_DIFFERS": "{n} of 50 keys are not the task_id that the record's own value names.",
        },
        done="Every key is its task id, in plain bytes.",
    )


def headers(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """Two headers, in plain bytes, that say the same as the envelope."""
    return _each_record(
        view,
        attempt,
        _header_complaint,
        look="bytes",
        sentences={
            "HEADER_MISSING": "{n} of 50 records lack a header that a reader would look for.",
            "HEADER_NOT_PLAIN": "{n} of 50 records have a header with quotation marks in it.",
            "HEADER_DIFFERS": "{n} of 50 records have a header that their value contradicts.",
        },
        done="Both headers are there, in plain bytes, and agree with the values.",
    )


def envelope(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """The value is a JSON object with every field of the envelope, and event ids are never used twice."""
    ids: Counter[object] = Counter(record.fields().get("event_id") for record in _judged(view, attempt) or ())
    tasks: Counter[object] = Counter(
        record.fields().get("task_id") for record in _judged(view, attempt) or ()
    )
    expected = {f"T-{attempt.nonce}-{number:02}" for number in range(1, COUNT + 1)}

    def complaint(record: RecordView) -> Complaint | None:
        found = _field_complaint(record)
        if found:
            return found
        body = record.fields()
        if ids[body["event_id"]] > 1:
            return "EVENT_ID_REUSED", f"event_id {body['event_id']} is in {ids[body['event_id']]} records"
        if body["task_id"] not in expected or tasks[body["task_id"]] > 1:
            return "TASK_ID_WRONG", f"task_id {body['task_id']!r}"
        return None

    return _each_record(
        view,
        attempt,
        complaint,
        look="envelope",
        sentences={
            "VALUE_NOT_JSON": "{n} of 50 values are not a JSON object in UTF-8.",
            "FIELD_MISSING": "{n} of 50 values lack a field of the envelope, or hold an empty one.",
            "TIME_WITHOUT_ZONE": "{n} of 50 values say when without saying in which time zone.",
            "EVENT_ID_REUSED": "{n} of 50 records share their event_id with another one.",
            "TASK_ID_WRONG": "{n} of 50 values do not name one of the fifty tasks, each of them once.",
        },
        done="Fifty envelopes, each complete, each with an id of its own.",
    )


def _last_run(view: SandboxView, attempt: AttemptFacts) -> ProgramView | None:
    runs = [run for run in view.programs() if run.path == PROGRAM and run.started_at >= attempt.activated_at]
    return runs[-1] if runs else None


def _records_of(run: ProgramView, view: SandboxView, attempt: AttemptFacts) -> list[RecordView]:
    """This attempt's records made by one run: they name the nonce and were stamped after it began."""
    nonce = attempt.nonce.encode()
    return [
        record
        for record in view.records(TOPIC, since=attempt.horizon)
        if record.timestamp >= run.started_at
        and (nonce in (record.value or b"") or nonce in (record.key or b""))
    ]


def _judged(view: SandboxView, attempt: AttemptFacts) -> list[RecordView] | None:
    """The fifty records of the last run, or None while there is no such run."""
    run = _last_run(view, attempt)
    if run is None or run.running or run.exit_code != 0:
        return None
    records = _records_of(run, view, attempt)
    return records if len(records) == COUNT else None


def _each_record(
    view: SandboxView,
    attempt: AttemptFacts,
    complaint: Callable[[RecordView], Complaint | None],
    *,
    look: str,
    sentences: dict[str, str],
    done: str,
) -> Verdict:
    """Judge record by record; of several causes the one that comes first in `sentences` is named."""
    records = _judged(view, attempt)
    if records is None:
        return Waiting("Waiting for a run of producer.py that leaves all fifty records in the log.")
    found: dict[str, list[tuple[RecordView, str]]] = {}
    for record in records:
        wrong = complaint(record)
        if wrong:
            found.setdefault(wrong[0], []).append((record, wrong[1]))
    if "" in found:
        return Waiting(found[""][0][1])
    for cause, sentence in sentences.items():
        if cause in found:
            rows = [_row(record, note) for record, note in found[cause]]
            return Fail(cause, sentence.format(n=len(rows)), evidence=rows, look=look)
    return Pass(done, evidence=_rows(records[:3], ""))


def _key_complaint(record: RecordView) -> Complaint | None:
    task_id = record.fields().get("task_id")
    if not isinstance(task_id, str) or not task_id:
        return "", "The values do not name their task_id yet, so there is nothing to hold the keys against."
    if record.key is None:
        return "KEY_MISSING", f"no key; the value says {task_id}"
    if record.key == task_id.encode():
        return None
    cause = "KEY_JSON_ENCODED" if record.key_text == json.dumps(task_id) else "KEY_DIFFERS"
    return cause, f"key {record.key!r}, task_id {task_id}"


def _header_complaint(record: RecordView) -> Complaint | None:
    event_id = record.fields().get("event_id")
    if not isinstance(event_id, str) or not event_id:
        return (
            "",
            "The values do not name their event_id yet, so there is nothing to hold the headers against.",
        )
    for name, wanted in (("event_type", EVENT_TYPE), ("event_id", event_id)):
        value = record.header(name)
        if value is None:
            return "HEADER_MISSING", f"no header {name}; there are {_names(record)}"
        if value != wanted.encode():
            quoted = value.startswith((b'"', b"b'", b"'", b'b"'))
            return (
                "HEADER_NOT_PLAIN" if quoted else "HEADER_DIFFERS"
            ), f"{name} is {value!r}, expected {wanted}"
    return None


def _field_complaint(record: RecordView) -> Complaint | None:
    body = record.fields()
    if not body:
        return "VALUE_NOT_JSON", f"begins with {record.text[:24]!r}"
    missing = [name for name in FIELDS if body.get(name) in (None, "", {})]
    if missing:
        return "FIELD_MISSING", "without " + ", ".join(missing)
    if (
        not _is_uuid(body["event_id"])
        or body["event_type"] != EVENT_TYPE
        or not isinstance(body["data"], dict)
    ):
        return "FIELD_MISSING", "event_id must be a UUID, event_type task.created, data an object"
    if not _is_utc(body["occurred_at"]):
        return "TIME_WITHOUT_ZONE", f"occurred_at is {body['occurred_at']!r}"
    return None


def _is_uuid(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


def _is_utc(value: object) -> bool:
    try:
        return datetime.fromisoformat(str(value)).utcoffset() == timedelta(0)
    except ValueError:
        return False


def _names(record: RecordView) -> str:
    return ", ".join(name for name, _ in record.headers) or "none"


def _rows(records: Iterable[RecordView] | Sequence[RecordView], note: str) -> list[Evidence]:
    return [_row(record, note) for record in records]


def _row(record: RecordView, note: str) -> Evidence:
    return Evidence(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=record.timestamp,
        key=record.key_text,
        note=note,
    )
