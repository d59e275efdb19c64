"""Lab 3.1: twelve keys, five records each; a prediction before, an observation after."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

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

FOLDER, TOPIC = "predict-then-look", "mm-tasks"
TASKS, STEPS, PARTITIONS = 12, 5, 3
COUNT = TASKS * STEPS
ANSWERS = {
    "same_key_same_partition": ("yes", "no"),
    "equal_share": ("yes", "no"),
    "partitions_used": ("1", "2", "3"),
}
LONG = 60.0  # seconds: sixty records take one


def predict(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """The prediction is written down. It is not held against anybody."""
    if view.topic(TOPIC) is None:
        return Waiting(f"There is no topic {TOPIC}. Reset the lab; it comes back.")
    if broken := _not_json(view, "prediction.json"):
        return Waiting(broken, of=len(ANSWERS))
    sheet = _sheet(view, "prediction.json")
    filled = [name for name, allowed in ANSWERS.items() if _word(sheet, name) in allowed]
    if len(filled) == len(ANSWERS):
        return Pass("Written down: " + ", ".join(f"{name} {_word(sheet, name)}" for name in ANSWERS) + ".")
    return Waiting(
        'Fill in prediction.json: "yes" or "no", and 1, 2 or 3 partitions.', done=len(filled), of=len(ANSWERS)
    )


def keys(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """Sixty keyed records; every key stays on one partition, and the keys do not all share one."""
    topic = view.topic(TOPIC)
    records = _last_records(view, attempt)
    if isinstance(records, Verdict):
        return records
    if _looked_first(view, attempt):
        return Waiting(
            "The first records of this attempt are older than your prediction. Reset the lab, which gives "
            "you other keys, and write the prediction down before you send."
        )
    if any(record.key is None for record in records):
        bare = [record for record in records if record.key is None]
        return Fail(
            "KEY_MISSING",
            f"{len(bare)} of {len(records)} records have no key, so their partition was picked for the "
            "sender's convenience.",
            evidence=_rows(bare, "no key"),
            look="keys",
        )
    if len(records) != COUNT:
        return Fail(
            "NOT_SIXTY", f"The last run left {len(records)} records; {COUNT} are expected.", look="keys"
        )
    if not all(isinstance(record.fields().get("task_id"), str) for record in records):
        return Waiting(
            "The values do not name their task_id any more, as send.py was given to make them, so there is "
            "nothing to hold the keys against. Put task_id and step back, and run it again."
        )
    by_key: dict[str, set[int]] = defaultdict(set)
    for record in records:
        by_key[record.key_text].add(record.partition)
    if len(by_key) < TASKS:
        return Fail(
            "ONE_KEY",
            f"{'One key' if len(by_key) == 1 else f'{len(by_key)} different keys'} for {TASKS} tasks: tasks "
            "that have nothing to do with each other queue behind one another.",
            evidence=_rows(records, "key shared by several tasks"),
            look="keys",
        )
    other = [record for record in records if record.key_text != record.fields().get("task_id")]
    if other:
        return Fail(
            "KEY_DIFFERS",
            f"{len(other)} of {COUNT} keys are not the task id itself, so another program's events about the "
            "same task would go elsewhere.",
            evidence=_rows(other, "differs from the task_id in its value"),
            look="keys",
        )
    if topic is not None and len(topic.partitions) != PARTITIONS:
        return Fail(
            "PARTITIONS_CHANGED",
            f"{TOPIC} has {len(topic.partitions)} partitions now. It had {PARTITIONS}, and the sums that you "
            "predicted were about these.",
            look="more",
        )
    split = {key: found for key, found in by_key.items() if len(found) > 1}
    if split:
        return Fail(
            "KEY_SPLIT",
            f"{len(split)} of {TASKS} keys are spread over several partitions, so nothing keeps their steps "
            "in order.",
            evidence=[
                Evidence(topic=TOPIC, key=key, note=f"partitions {sorted(found)}")
                for key, found in split.items()
            ],
            look="keys",
        )
    return Pass(
        f"{TASKS} keys, each on one partition; {len({r.partition for r in records})} partitions used."
    )


def order(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """Within each task the steps stand in the log in the order 1 to 5."""
    records = _sixty(view, attempt)
    if isinstance(records, Verdict):
        return records
    steps: dict[str, list[RecordView]] = defaultdict(list)
    for record in records:
        steps[str(record.fields().get("task_id"))].append(record)
    for task_id, found in steps.items():
        numbers = [record.fields().get("step") for record in found]
        if len({record.partition for record in found}) > 1:
            return Waiting(
                "Waiting until every task has one partition: across several there is no order to judge."
            )
        if numbers != list(range(1, STEPS + 1)):
            return Fail(
                "ORDER_BROKEN",
                f"{task_id} stands in the log as steps {', '.join(map(str, numbers))}.",
                evidence=[_row(record, f"step {record.fields().get('step')}") for record in found],
                look="order",
            )
    return Pass("Every task reads 1, 2, 3, 4, 5.")


def observed(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """What the student wrote down after looking is what the log holds."""
    records = _sixty(view, attempt)
    if isinstance(records, Verdict):
        return records
    if broken := _not_json(view, "observed.json"):
        return Waiting(broken)
    sheet = _sheet(view, "observed.json")
    written = tuple(_number(sheet, f"P{number}") for number in range(PARTITIONS))
    if None in written or _word(sheet, "equal_share") not in ("yes", "no"):
        return Waiting(
            "Fill in observed.json: how many records each partition got, as a number, and for equal_share "
            '"yes" or "no".'
        )
    counts = Counter(record.partition for record in records)
    last = tuple(counts[number] for number in range(PARTITIONS))
    every = _since_begin(view, attempt)
    told = (written, _word(sheet, "equal_share"))
    of_last, of_all = ((shares, "yes" if len(set(shares)) == 1 else "no") for shares in (last, every))
    held, runs = (every, "all runs") if told == of_all != of_last else (last, "the last run")
    rows = [
        Evidence(
            topic=TOPIC,
            partition=number,
            note=f"{held[number]} of {runs} in the log, {written[number]} on your sheet",
        )
        for number in range(PARTITIONS)
    ]
    if told not in (of_last, of_all):
        return Fail(
            "SHEET_DIFFERS",
            f"Your sheet says {', '.join(map(str, written))} and equal share: {_word(sheet, 'equal_share')}. "
            "That fits neither the records of the last run nor those of all runs together.",
            evidence=rows,
            look="keys",
        )
    return Pass("Your sheet and the log agree.", evidence=rows)


def _sixty(view: SandboxView, attempt: AttemptFacts) -> list[RecordView] | Verdict:
    """The records of the last run when it left sixty, or what is to be said when it did not."""
    records = _last_records(view, attempt)
    if isinstance(records, Verdict) or len(records) == COUNT:
        return records
    return Waiting(
        f"The last run of send.py left {len(records)} records. Waiting for one that leaves {COUNT}."
    )


def _last_records(view: SandboxView, attempt: AttemptFacts) -> list[RecordView] | Verdict:
    """The records of the last send.py, by partition and offset, or what is to be said when there are none."""
    run = _last_run(view, attempt)
    if run is None:
        return Waiting("Run send.py once the prediction is written down.", of=COUNT)
    if run.running and view.now - run.started_at < LONG:
        return Waiting("send.py is running. It is judged when it has ended by itself.", of=COUNT)
    if run.running:
        return Waiting(
            "send.py is still running, and is to end by itself. Stop it, and look for what repeats."
        )
    if run.exit_code != 0:
        return Waiting("send.py did not end well. Read its last lines, mend it and run it again.")
    records = _made_by(run, view, attempt)
    hidden = len(_made_by(run, view, attempt, isolation="read_uncommitted")) - len(records)
    if hidden and any(part.stable < part.end for part in view.offsets(TOPIC)):
        return Waiting(
            f"{hidden} records of the last run lie in or behind a transaction that is still open, perhaps of "
            "an earlier run. Commit it; or wait until Kafka gives it up after its time-out, a minute by "
            "default: what only lay behind it counts then."
        )
    if records:
        return records
    if hidden:
        return Waiting(
            "The records of the last run are in a transaction that was not committed. Commit it, and run "
            "send.py again."
        )
    return Waiting(
        f"The last run of send.py left no record of this attempt in {TOPIC}. Read what it printed: it sends "
        "nothing before the prediction is written down, and all of it but the key is to stay as it was given."
    )


def _made_by(
    run: ProgramView, view: SandboxView, attempt: AttemptFacts, isolation: Isolation = "read_committed"
) -> list[RecordView]:
    nonce = attempt.nonce.encode()
    return [
        record
        for record in view.records(TOPIC, since=attempt.horizon, isolation=isolation)
        if record.timestamp >= run.started_at and nonce in (record.value or b"")
    ]


def _last_run(view: SandboxView, attempt: AttemptFacts) -> ProgramView | None:
    path = f"{FOLDER}/send.py"
    runs = [run for run in view.programs() if run.path == path and run.started_at >= attempt.activated_at]
    return runs[-1] if runs else None


def _since_begin(view: SandboxView, attempt: AttemptFacts) -> tuple[int, ...]:
    old = attempt.horizon.get(TOPIC, ()) or (0,) * PARTITIONS
    return tuple(part.end - begin for part, begin in zip(view.offsets(TOPIC), old, strict=False))


def _looked_first(view: SandboxView, attempt: AttemptFacts) -> bool:
    """Whether the log held records of this attempt when the prediction was looked for and not found."""
    nonce, ends = attempt.nonce.encode(), attempt.locked_horizon.get(TOPIC, ())
    own = (r for r in view.records(TOPIC, since=attempt.horizon) if nonce in (r.value or b""))
    return any(record.partition < len(ends) and record.offset < ends[record.partition] for record in own)


def _not_json(view: SandboxView, name: str) -> str:
    """Where a sheet is not JSON, in a sentence; empty when it is, or is not there."""
    try:
        json.loads(view.file(f"{FOLDER}/{name}") or "{}")
    except json.JSONDecodeError as error:
        return f"{name} is not valid JSON: {error.msg}, at line {error.lineno}, column {error.colno}."
    except (ValueError, RecursionError):
        return f"{name} is not JSON that can be read: a number in it is too long, or brackets go too deep."
    return ""


def _sheet(view: SandboxView, name: str) -> Mapping[str, object]:
    try:
        found = json.loads(view.file(f"{FOLDER}/{name}") or "")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(sheet: Mapping[str, object], name: str) -> int | None:
    """A count as it was written: 20, or "20"."""
    word = _word(sheet, name)
    return int(word) if word.isdecimal() and len(word) < 10 else None


def _word(sheet: Mapping[str, object], name: str) -> str:
    return str(sheet.get(name, "")).strip().lower()


def _rows(records: Sequence[RecordView], note: str) -> list[Evidence]:
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
