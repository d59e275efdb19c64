"""Lab 5.2: what three ways of sending cost and promise, judged by the log's own clock and contents.

The topics stamp records when the broker appends them (LogAppendTime), so no speed is taken from the
student's program. Every record carries the name of its run and its number in headers.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from lessons.checks import (
    AttemptFacts,
    Evidence,
    Fail,
    FaultView,
    Horizon,
    Pass,
    ProgramView,
    RecordView,
    SandboxView,
    Verdict,
    Waiting,
)

FOLDER = "three-styles"
SENT = {"race-fire": 20_000, "race-sync": 1_000, "race-receipts": 20_000}
STYLES = {"race-fire": "fire_and_forget", "race-sync": "one_by_one", "race-receipts": "with_receipts"}
OUTAGE, OUTAGE_COUNT = "race-outage", 20_000
RATIO = 5
TOO_FAST_ALONE = 0.05  # seconds: a thousand round trips in less than this would be 50 microseconds each
AT_ONCE = 8  # records in one millisecond: more would be round trips of a ninth of one
OVERTAKEN = 3  # a clock that is set back may seem to let one be overtaken
SAMPLE = 200
REPEATS = 2_000
QUEUE = 1_000  # what outage.py can have on its way at most, so what a retry can repeat at most
QUEUE_FULL = -184  # librdkafka's code for a full queue, KafkaError._QUEUE_FULL

Line = Sequence[int] | None
Log = Mapping[int, list[RecordView]]


def race(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """Everything that each style says it sent is in the log."""
    ready = _race_results(view, attempt)
    if isinstance(ready, Verdict):
        return ready
    run, results = ready
    reported = {
        "race-fire": _count(results, "fire", "sent") - _count(results, "fire", "unanswered"),
        "race-sync": _count(results, "sync", "delivered"),
        "race-receipts": _count(results, "receipts", "delivered"),
    }
    logs = {topic: _log(view, attempt, topic, run, count) for topic, count in SENT.items()}
    if not any(logs.values()):
        return Waiting(
            f"race.py ran, and no numbered record of this run is in {', '.join(SENT)} yet. Fill in its three "
            "functions, and leave topics, runs and numbers as they were given."
        )
    rows = [
        Evidence(
            topic=topic, note=f"{len(logs[topic]):,} of {count:,} in the log; reported {reported[topic]:,}"
        )
        for topic, count in SENT.items()
    ]
    # A style that is to be filled in sends nothing, and does not say that it has sent anything.
    empty = [topic for topic in SENT if not logs[topic] and reported[topic] <= 0]
    for topic, count in SENT.items():
        stored = len(logs[topic])
        # What became of those with receipts is looked up one by one, by `outcomes`.
        differs = topic != "race-receipts" and reported[topic] != stored
        if topic not in empty and (stored < count or differs):
            return Fail(
                "NOT_ALL_STORED",
                f"{topic} holds {stored:,} records of this run; {count:,} were to be sent, and your program "
                f"reports {reported[topic]:,}.",
                evidence=rows,
                look="styles",
            )
    if empty:
        return Waiting(
            f"Nothing of this run is in {' and '.join(empty)} yet. Look at "
            f"{' and '.join(STYLES[topic] for topic in empty)}, and run race.py again.",
            done=len(SENT) - len(empty),
            of=len(SENT),
        )
    for topic in SENT:
        if _repeats(logs[topic]):
            return _sent_twice(topic, logs[topic], rows)
    return Pass("All three styles stored what they say they sent.", evidence=rows)


def ratio(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """Sending with receipts is at least five times as fast as one by one, by the broker's clock."""
    ready = _race_results(view, attempt)
    if isinstance(ready, Verdict):
        return ready
    run, _ = ready
    sync = _log(view, attempt, "race-sync", run, SENT["race-sync"])
    receipts = _log(view, attempt, "race-receipts", run, SENT["race-receipts"])
    if len(sync) < SENT["race-sync"] or len(receipts) < SENT["race-receipts"]:
        return Waiting("Waiting for a run in which both styles store everything.")
    alone, together = _seconds(sync), _seconds(receipts)
    rates = len(sync) / alone, len(receipts) / together
    rows = [
        Evidence(topic="race-sync", note=f"{len(sync):,} records in {alone:.3f} s, {rates[0]:,.0f} a second"),
        Evidence(
            topic="race-receipts",
            note=f"{len(receipts):,} records in {together:.3f} s, {rates[1]:,.0f} a second",
        ),
    ]
    if hurried := _did_not_wait(sync):
        return Fail("SYNC_DID_NOT_WAIT", hurried, evidence=rows, look="styles")
    if rates[1] < RATIO * rates[0]:
        return Fail(
            "RECEIPTS_TOO_SLOW",
            f"With receipts {rates[1]:,.0f} records a second were appended, one by one {rates[0]:,.0f}: "
            f"{rates[1] / rates[0]:.1f} times as many, where at least {RATIO} times are expected.",
            evidence=rows,
            look="styles",
        )
    return Pass(f"{rates[1] / rates[0]:,.0f} times as fast, for the same promise.", evidence=rows)


def _did_not_wait(sync: Log) -> str:
    """How the log shows that records were sent before the one in front of them was answered; or nothing."""
    times = [sync[number][0].timestamp for number in sorted(sync)]
    alone = _seconds(sync)
    if alone < TOO_FAST_ALONE:
        return (
            f"A thousand records reached race-sync within {alone * 1000:.0f} milliseconds. No thousand round "
            "trips are that quick, so this style did not wait for each of them."
        )
    at_once = Counter(times).most_common(1)[0][1]
    if at_once > AT_ONCE:
        return (
            f"{at_once} records reached race-sync within one millisecond. So many round trips do not fit in "
            "there, so this style did not wait for each of them."
        )
    overtaken = [number for number, (one, next_one) in enumerate(pairwise(times)) if next_one < one]
    if len(overtaken) >= OVERTAKEN:
        return (
            f"Record {overtaken[0] + 1} was appended before record {overtaken[0]}, and so were "
            f"{len(overtaken) - 1} others before theirs: this style did not wait for each of them."
        )
    return ""


def outcomes(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """outcomes.json has the place of every record, and the log agrees at two hundred of them."""
    ready = _race_results(view, attempt)
    if isinstance(ready, Verdict):
        return ready
    run, _ = ready
    count = SENT["race-receipts"]
    log = _log(view, attempt, "race-receipts", run, count)
    lines = _lines(view, f"{FOLDER}/outcomes.json", run, count)
    if len(log) < count or lines is None:
        return Waiting("Waiting for a run that stores all records of race-receipts.")
    wrong = _misplaced(lines, log, attempt.seed)
    if wrong:
        return Fail(
            "OUTCOME_WRONG",
            f"outcomes.json names a place for record {wrong[0][0]}, but the log has another there, or none.",
            evidence=[
                _row("race-receipts", line, f"outcomes.json says this is number {n}") for n, line in wrong
            ],
            look="receipt",
        )
    missing = sum(line is None or line[0] < 0 for line in lines)
    if missing:
        return Fail(
            "OUTCOME_MISSING",
            f"For {missing:,} of {count:,} records outcomes.json has no place, and the log holds them all.",
            look="receipt",
        )
    return Pass(f"{count:,} outcomes, and {SAMPLE} of them looked up: all where you said.")


def outage(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """A broker stop in mid-run, and at its end every record is accounted for, truthfully."""
    run = _last_run(view, attempt, "outage.py")
    if run is None or run.running or run.exit_code != 0:
        return _not_finished(run, "outage.py")
    text = view.file(f"{FOLDER}/outage.json")
    name = _run_name(text)
    log = _log(view, attempt, OUTAGE, name, OUTAGE_COUNT)
    if not name.startswith(attempt.nonce) or _is_older(log, run):
        return _not_of_this_run("outage", text)
    if not log:
        return Waiting("outage.py ran, but has sent nothing to race-outage yet. Fill in its loop.")
    stop = _stop_during(view, run)
    if stop is None:
        return Waiting(
            f"outage.py ended after {(run.ended_at or view.now) - run.started_at:.0f} s, before your broker "
            "had been stopped and started again. Leave paced() as it was given, and run it again."
        )
    lines = _lines(view, f"{FOLDER}/outage.json", name, OUTAGE_COUNT) or []
    return _account(lines, log, stop, attempt.seed)


def _account(lines: Sequence[Line], log: Log, stop: FaultView, seed: int) -> Verdict:
    silent = OUTAGE_COUNT - sum(line is not None for line in lines)
    refused = sum(line is not None and list(line) == [-1, QUEUE_FULL] for line in lines)
    delivered = sum(line is not None and line[0] >= 0 for line in lines)
    failed = OUTAGE_COUNT - silent - delivered
    rows = [
        Evidence(at=stop.at, note="the broker was stopped"),
        Evidence(at=stop.until, note="the broker was started again"),
        Evidence(
            topic=OUTAGE,
            note=f"delivered {delivered:,}, failed {failed:,}, unreported {silent:,}",
        ),
    ]
    if silent:
        return Fail(
            "UNREPORTED",
            f"For {silent:,} of {OUTAGE_COUNT:,} records nobody knows what became of them.",
            evidence=rows,
            look="full",
        )
    if refused:
        return Fail(
            "GAVE_UP_WHEN_FULL",
            f"{refused:,} records were written off because the queue was full. They were never sent, so they "
            "cannot have failed.",
            evidence=rows,
            look="full",
        )
    wrong = _misplaced(lines, log, seed) or _absent(lines, log)
    if wrong:
        rows += [_row(OUTAGE, line, f"reported as record {n}, and it is not there") for n, line in wrong]
        return Fail(
            "REPORTED_BUT_ABSENT",
            f"Record {wrong[0][0]} is reported as stored, and the log does not have it there.",
            evidence=rows,
            look="receipt",
        )
    twice = _repeats(log)
    if twice > QUEUE:
        return _sent_twice(OUTAGE, log, rows)
    note = f" {twice:,} are in the log twice: lesson 6 is about them." if twice else ""
    return Pass(
        f"{delivered:,} stored, {OUTAGE_COUNT - delivered:,} failed, none unreported.{note}", evidence=rows
    )


def _repeats(log: Log) -> int:
    """How many records are there a second time or more."""
    return sum(len(records) - 1 for records in log.values())


def _sent_twice(topic: str, log: Log, rows: Sequence[Evidence]) -> Verdict:
    return Fail(
        "SENT_TWICE",
        f"{_repeats(log):,} records of {topic} are in the log a second time, more than the client's own "
        "retries can explain.",
        evidence=rows,
        look="full",
    )


def _last_run(view: SandboxView, attempt: AttemptFacts, program: str) -> ProgramView | None:
    path = f"{FOLDER}/{program}"
    runs = [run for run in view.programs() if run.path == path and run.started_at >= attempt.activated_at]
    return runs[-1] if runs else None


def _not_finished(run: ProgramView | None, program: str) -> Verdict:
    if run is None:
        return Waiting(f"Run {program} to begin.")
    if run.running:
        return Waiting(f"{program} is running.")
    return Waiting(f"{program} did not end well. Read its last lines, mend it and run it again.")


def _race_results(view: SandboxView, attempt: AttemptFacts) -> Verdict | tuple[str, Mapping[str, object]]:
    """The name and the results of the last race.py that ended well, or why there are none."""
    program = _last_run(view, attempt, "race.py")
    if program is None or program.running or program.exit_code != 0:
        return _not_finished(program, "race.py")
    text = view.file(f"{FOLDER}/results.json")
    run = _run_name(text)
    smallest_first = sorted(SENT.items(), key=lambda item: item[1])
    logs = (_log(view, attempt, topic, run, count) for topic, count in smallest_first)
    if not run.startswith(attempt.nonce) or _is_older(next(filter(None, logs), {}), program):
        return _not_of_this_run("race", text)
    return run, _object(text)


def _not_of_this_run(name: str, text: str | None) -> Verdict:
    """What is to be said when a program's own account of its run is not there, or is another run's."""
    file = "results.json" if name == "race" else f"{name}.json"
    is_there = f"{file} is of another run" if text else f"there is no {file}"
    return Waiting(
        f"{name}.py has ended, and {is_there}. The starter's main() writes it when all is sent: have it "
        "do so, and run it again."
    )


def _is_older(log: Log, program: ProgramView) -> bool:
    """Whether records were there before the program began; all records of a run are of one program."""
    first = next(iter(log.values()), None)
    return first is not None and first[0].timestamp < program.started_at


def _object(text: str | None) -> Mapping[str, object]:
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _run_name(text: str | None) -> str:
    return str(_object(text).get("run", ""))


def _count(results: Mapping[str, object], style: str, name: str) -> int:
    part = results.get(style)
    value = part.get(name) if isinstance(part, dict) else None
    return value if isinstance(value, int) else -1


def _lines(view: SandboxView, path: str, run: str, count: int) -> list[Line] | None:
    """The outcomes in a file of this run, cut or filled up to `count`; None when it is not such a file."""
    found = _object(view.file(path))
    lines = found.get("outcomes")
    if found.get("run") != run or not isinstance(lines, list):
        return None
    good = [line if _is_line(line) else None for line in lines[:count]]
    return good + [None] * (count - len(good))


def _is_line(line: object) -> bool:
    return isinstance(line, list) and len(line) == 2 and all(isinstance(part, int) for part in line)


def _log(view: SandboxView, attempt: AttemptFacts, topic: str, run: str, count: int) -> Log:
    """The records of one run by number; a partition gets at most its count, and some repeats."""
    begin: Horizon = {topic: _tail(view, attempt, topic, count + REPEATS)}
    wanted = run.encode()
    found: dict[int, list[RecordView]] = {}
    for record in view.records(topic, since=begin):
        headers = dict(record.headers)  # for sixty thousand records, at every look
        number = headers.get("number") or b""
        if headers.get("run") == wanted and number.isdigit() and len(number) < 10:
            found.setdefault(int(number), []).append(record)
    return found


def _tail(view: SandboxView, attempt: AttemptFacts, topic: str, most: int) -> tuple[int, ...]:
    old = attempt.horizon.get(topic, ())
    return tuple(
        max(part.end - most, old[part.partition] if part.partition < len(old) else 0)
        for part in view.offsets(topic)
    )


def _seconds(log: Log) -> float:
    """From the first append to the last; never less than the clock's own step of a millisecond."""
    times = [records[0].timestamp for records in log.values()]
    return max(max(times) - min(times), 0.001)


def _misplaced(lines: Sequence[Line], log: Log, seed: int) -> list[tuple[int, Sequence[int]]]:
    """Of a sample of the delivered ones, those that are not where their line says; at most five."""
    delivered = [(n, line) for n, line in enumerate(lines) if line is not None and line[0] >= 0]
    sample = random.Random(seed).sample(delivered, min(SAMPLE, len(delivered)))
    return [(n, line) for n, line in sorted(sample) if not _is_there(log.get(n, []), line)][:5]


def _is_there(records: Sequence[RecordView], line: Sequence[int]) -> bool:
    return any([record.partition, record.offset] == list(line) for record in records)


def _absent(lines: Sequence[Line], log: Log) -> list[tuple[int, Sequence[int]]]:
    return [(n, line) for n, line in enumerate(lines) if line is not None and line[0] >= 0 and n not in log][
        :5
    ]


def _stop_during(view: SandboxView, run: ProgramView) -> FaultView | None:
    """The recorded broker stop that began and ended while this run went on."""
    for fault in view.faults():
        ended = fault.until is not None and run.ended_at is not None and fault.until <= run.ended_at
        if fault.kind in ("broker_stop", "broker_kill") and fault.at >= run.started_at and ended:
            return fault
    return None


def _row(topic: str, line: Sequence[int], note: str) -> Evidence:
    return Evidence(topic=topic, partition=line[0], offset=line[1], note=note)
