"""Lab 5.1: fifty task.created events, judged by what is in the log after the program has ended."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from lessons.checks import (
    AttemptFacts,
    Evidence,
    Fail,
    Isolation,
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

# As in the starter's tasks.py, which is the only other place that knows how the tasks are made.
TITLES, AGENTS = 8, ("planner", "coder", "notifier")
LATENCY_MS = 200  # of the stimulus
LONG = 60.0  # seconds: fifty records one by one, 200 ms each, are ten
SMALL = 2_000  # records of another topic that are looked through for ours
AWAY = ("broker_stop", "broker_kill", "cut", "drop_responses")  # what makes a client send again

Complaint = tuple[str, str]  # cause, note


def arrive(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """All fifty are in the log after a run that ended well: the queue was emptied before the end."""
    run = _last_run(view, attempt)
    if run is None or run.running or run.exit_code != 0:
        return _not_finished(run, view, attempt)
    records = _records_of(run, view, attempt)
    if len(records) < COUNT:
        return _too_few(records, run, view, attempt)
    if len(records) > COUNT:
        return _too_many(records, run, view)
    if early := _left_early(records, run, view):
        return early
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
    records = _whole_run(view, attempt)
    if isinstance(records, Verdict):
        return records
    ids = Counter(str(record.fields().get("event_id")) for record in records)
    tasks = Counter(str(record.fields().get("task_id")) for record in records)
    agents = _agents(attempt)

    def complaint(record: RecordView) -> Complaint | None:
        found = _field_complaint(record)
        if found:
            return found
        event_id, task_id, actor = (str(record.fields()[name]) for name in ("event_id", "task_id", "actor"))
        if ids[event_id] > 1:
            return "EVENT_ID_REUSED", f"event_id {event_id} is in {ids[event_id]} records"
        if task_id not in agents or tasks[task_id] > 1:
            return "TASK_ID_WRONG", f"task_id {task_id}"
        if actor != agents[task_id]:
            return "ACTOR_WRONG", f"{task_id} was made by {agents[task_id]}, and actor is {actor}"
        return None

    return _each_record(
        view,
        attempt,
        complaint,
        look="envelope",
        sentences={
            "VALUE_NOT_JSON": "{n} of 50 values are not a JSON object in UTF-8.",
            "FIELD_MISSING": "{n} of 50 values lack a field of the envelope, or hold an empty one.",
            "FIELD_WRONG": "{n} of 50 values have a field that holds something else than it should.",
            "TIME_WITHOUT_ZONE": "{n} of 50 values say when without saying in which time zone.",
            "TIME_NOT_UTC": "{n} of 50 values have an occurred_at that is not an ISO 8601 time in UTC.",
            "EVENT_ID_REUSED": "{n} of 50 records share their event_id with another one.",
            "TASK_ID_WRONG": "{n} of 50 values do not name one of the fifty tasks, each of them once.",
            "ACTOR_WRONG": "{n} of 50 values name another actor than the agent that made the task.",
        },
        done="Fifty envelopes, each complete, each with an id of its own.",
    )


def _last_run(view: SandboxView, attempt: AttemptFacts) -> ProgramView | None:
    runs = [run for run in view.programs() if run.path == PROGRAM and run.started_at >= attempt.activated_at]
    return runs[-1] if runs else None


def _not_finished(run: ProgramView | None, view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """What is to be said while there is no run that ended well."""
    if run is None:
        return Waiting("Run producer.py to begin.", of=COUNT)
    if not run.running:
        return Waiting("producer.py did not end well. Read its last lines, mend it and run it again.")
    there = len(_records_of(run, view, attempt))
    if view.now - run.started_at < LONG:
        sentence = "producer.py is running. It is judged when it has ended by itself."
    else:
        sentence = (
            "producer.py is still running, and is judged when it has ended by itself. If it has nothing "
            "left to wait for, stop it, and look for what keeps it from its end."
        )
    return Waiting(sentence, done=min(there, COUNT), of=COUNT)


def _too_few(
    records: Sequence[RecordView], run: ProgramView, view: SandboxView, attempt: AttemptFacts
) -> Verdict:
    """Why fewer than fifty count: the reasons that the cluster can prove come first."""
    rows = [Evidence(at=run.ended_at, note=f"the program ended; {len(records)} records are in {TOPIC}")]
    if hidden := len(_records_of(run, view, attempt, isolation="read_uncommitted")) - len(records):
        if any(part.stable < part.end for part in view.offsets(TOPIC)):
            return Waiting(
                f"{hidden} records of this run lie in or behind a transaction that is still open, perhaps of "
                "an earlier run. Commit it; or wait until Kafka gives it up after its time-out, a minute by "
                "default: what only lay behind it counts then.",
                done=len(records),
                of=COUNT,
                evidence=rows,
            )
        return Fail(
            "NOT_COMMITTED",
            f"{hidden} records of this run are in the log, but in a transaction that was not committed. A "
            "reader that waits for the commit, as Python's does, is not given them: "
            f"{len(records)} of {COUNT} count.",
            evidence=rows,
            look="receipt",
        )
    if strangers := _strangers(run, view, attempt):
        return Fail(
            "TASKS_NOT_NAMED",
            f"{len(records)} of {COUNT} records are in the log. Others came meanwhile, {len(strangers)} in "
            f"all, that name none of the fifty tasks. The ids of the fifty begin with T-{attempt.nonce}-.",
            evidence=_rows(strangers, "neither key nor value names a task of this attempt"),
            look="envelope",
        )
    for topic, found in _elsewhere(run, view, attempt):
        return Fail(
            "OTHER_TOPIC",
            f"{len(found)} records of this run are in {topic}. They were to be in {TOPIC}, which has "
            f"{len(records)} of {COUNT}.",
            evidence=_rows(found, f"in {topic}"),
            look="failures",
        )
    if not records:
        return Fail(
            "NOTHING_ARRIVED",
            f"producer.py ended with exit code 0, and none of the {COUNT} records is in {TOPIC}. Either "
            "nothing was handed to produce(), or every record failed, or the program ended before any had "
            "left its queue.",
            evidence=rows,
            look="flush",
        )
    named = {_named(record) for record in records}
    missing = [task for task in _agents(attempt) if task not in named]
    return Fail(
        "SOME_MISSING",
        f"producer.py ended with exit code 0, and {len(records)} of {COUNT} records are in {TOPIC}. The "
        "others were never handed to produce(), or failed, or were still in the program's queue at its end.",
        evidence=rows + [Evidence(topic=TOPIC, key=task, note="not in the log") for task in missing],
        look="flush",
    )


def _left_early(records: Sequence[RecordView], run: ProgramView, view: SandboxView) -> Verdict | None:
    """What is said when the program was gone before the answer to its last record can have reached it.

    The broker stamps records when it appends them and answers at once; each answer is late by the latency.
    No failure: a latency may be lost for a moment while its record still stands, when a broker starts anew.
    """
    was_late = any(
        fault.kind == "latency"
        and fault.ms >= LATENCY_MS
        and fault.at <= run.started_at
        and (fault.until is None or fault.until >= (run.ended_at or view.now))
        for fault in view.faults()
    )
    last = max(records, key=lambda record: record.timestamp)
    waited = ((run.ended_at or view.now) - last.timestamp) * 1000
    if not was_late or waited >= 0.9 * LATENCY_MS:  # clocks may be a little apart
        return None
    return Waiting(
        f"All {COUNT} are in the log, and producer.py cannot have known: it ended {max(0, waited):.0f} ms "
        f"after the last was appended, and an answer takes {LATENCY_MS}. Let it wait for its answers, "
        "with acks=all, the default, and flush(), and run it again.",
        evidence=[_row(last, "the last to be appended"), Evidence(at=run.ended_at, note="the program ended")],
    )


def _too_many(records: Sequence[RecordView], run: ProgramView, view: SandboxView) -> Verdict:
    seen = Counter(map(_named, records))
    again = [record for record in records if seen[_named(record)] > 1]
    same = len({(record.key, record.value) for record in records})
    if same == COUNT and _was_away(run, view):
        return Waiting(
            f"There are {len(records)} records, some of them twice: your broker did not answer for a while, "
            "and the client sent what it had no answer for again. Lesson 6 is about that; run producer.py "
            "once more, and leave the broker alone.",
            evidence=_rows(again, "there more than once"),
        )
    return Fail(
        "SENT_TOO_MANY",
        f"One run of producer.py left {len(records)} records in the log. There are {COUNT} tasks, "
        "and each was created once.",
        evidence=_rows(again or records, "more than one for this task" if again else ""),
        look="receipt",
    )


def _was_away(run: ProgramView, view: SandboxView) -> bool:
    """Whether the broker did not answer at some time of this run."""
    return any(
        fault.kind in AWAY
        and fault.at <= (run.ended_at or view.now)
        and (fault.until or view.now) >= run.started_at
        for fault in view.faults()
    )


def _agents(attempt: AttemptFacts) -> Mapping[str, str]:
    """The fifty tasks in their order, and the agent that made each: tasks.py from the same seed."""
    chance = random.Random(attempt.seed)
    made = {}
    for number in range(1, COUNT + 1):
        chance.choice(range(TITLES))
        made[f"T-{attempt.nonce}-{number:02}"] = chance.choice(AGENTS)
    return made


def _named(record: RecordView) -> str:
    """The task that a record is about, by its value or else its key."""
    return str(record.fields().get("task_id") or record.key_text)


def _records_of(
    run: ProgramView, view: SandboxView, attempt: AttemptFacts, isolation: Isolation = "read_committed"
) -> list[RecordView]:
    """This attempt's records made by one run: they name the nonce and were stamped after it began."""
    records = view.records(TOPIC, since=attempt.horizon, isolation=isolation)
    return [record for record in records if record.timestamp >= run.started_at and _is_ours(record, attempt)]


def _strangers(run: ProgramView, view: SandboxView, attempt: AttemptFacts) -> list[RecordView]:
    """Records that came while a program ran, and are neither of this attempt nor of the workload."""
    return [
        record
        for record in view.records(TOPIC, since=attempt.horizon)
        if run.started_at <= record.timestamp <= (run.ended_at or view.now) + 1
        and not _is_ours(record, attempt)
        and record.header("mr-workload") is None
    ]


def _elsewhere(
    run: ProgramView, view: SandboxView, attempt: AttemptFacts
) -> Iterable[tuple[str, list[RecordView]]]:
    """The other small topics that hold records of this run."""
    for topic in view.topics():
        size = sum(part.end - part.start for part in view.offsets(topic))
        if topic == TOPIC or not 0 < size <= SMALL:
            continue
        found = [r for r in view.records(topic) if r.timestamp >= run.started_at and _is_ours(r, attempt)]
        if found:
            yield topic, found


def _is_ours(record: RecordView, attempt: AttemptFacts) -> bool:
    nonce = attempt.nonce.encode()
    return nonce in (record.value or b"") or nonce in (record.key or b"")


def _whole_run(view: SandboxView, attempt: AttemptFacts) -> list[RecordView] | Verdict:
    """The fifty records of the last run, or what is to be said while it has left no fifty."""
    run = _last_run(view, attempt)
    if run is None or run.running or run.exit_code != 0:
        return _not_finished(run, view, attempt)
    records = _records_of(run, view, attempt)
    if len(records) == COUNT:
        return records
    return Waiting(
        f"The last run of producer.py left {len(records)} records of yours in the log. Waiting for one that "
        f"leaves {COUNT}."
    )


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
    records = _whole_run(view, attempt)
    if isinstance(records, Verdict):
        return records
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
    wrong = {
        "event_id must be a UUID": not _is_uuid(body["event_id"]),
        f"event_type must be {EVENT_TYPE}": body["event_type"] != EVENT_TYPE,
        "data must be an object": not isinstance(body["data"], dict),
    }
    if any(wrong.values()):
        return "FIELD_WRONG", ", ".join(name for name, is_wrong in wrong.items() if is_wrong)
    return _time_complaint(body["occurred_at"])


def _is_uuid(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return isinstance(value, str)


def _time_complaint(value: object) -> Complaint | None:
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        when = None
    if when is not None and when.tzinfo is None:
        return "TIME_WITHOUT_ZONE", f"occurred_at is {value!r}"
    if when is None or when.utcoffset() != timedelta(0):
        return "TIME_NOT_UTC", f"occurred_at is {value!r}"
    return None


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
