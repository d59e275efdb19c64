"""Every program in the prose of a lesson runs, and prints what the text says."""

from __future__ import annotations

import re
import time

from lessons.catalog import Lesson
from lessons.checks import ViewUnavailable
from lessons.proving.findings import Finding
from lessons.proving.rehearsal import output_of
from lessons.proving.rooms import Room, room
from lessons.rendering.model import RunBlock
from sandboxes import stagehand
from sandboxes.backends.base import Backend, BackendError


def prove_run(backend: Backend, lesson: Lesson, block: RunBlock) -> Finding:
    """Run one `:::run` block in a fresh sandbox."""
    began = time.monotonic()
    subject = f"lesson {lesson.front.number}, line {block.line}: {block.id}"
    try:
        with room(backend, lesson.front.profile) as here:
            why = _run_complaint(here, block)
    except (RuntimeError, BackendError, ViewUnavailable) as error:
        why = f"{type(error).__name__}: {error}"
    return Finding(gate="prose", subject=subject, why=why, took_s=time.monotonic() - began)


def _run_complaint(here: Room, block: RunBlock) -> str:
    wishes = [stagehand.TopicWish(name=name, partitions=count) for name, count in block.topics.items()]
    stagehand.ensure_topics(here.endpoint, wishes)
    here.workspace.write_file(f"try/{block.id}.py", block.code)
    run = here.workspace.start_program(path=f"try/{block.id}.py", label=block.id)
    deadline = time.monotonic() + block.timeout
    while time.monotonic() < deadline:
        now = next(r for r in here.workspace.programs() if r.program_id == run.program_id)
        if not now.running:
            said = output_of(here.workspace, run.program_id)
            if now.exit_code != 0:
                return f"ended with {now.exit_code} {now.reason}: {said[-800:]}"
            return "" if re.search(block.expect, said) else f"printed no {block.expect!r} but: {said[-800:]}"
        time.sleep(0.1)
    return f"did not end within {block.timeout:g} s"
