"""What a lab finds in a sandbox: its topics and files are laid, and what it left behind is cleared."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from lessons.labs import Lab
from sandboxes import stagehand
from sandboxes.backends.base import FileMissing, FileRefused, KafkaEndpoint, Workspace

STOP_S = 5.0  # for a program that is asked to end; the backend kills it after 3


def wishes(lab: Lab) -> list[stagehand.TopicWish]:
    """The topics a lab wants to find."""
    return [
        stagehand.TopicWish(name=topic.name, partitions=topic.partitions, configs=topic.configs)
        for topic in lab.setup.topics
    ]


def write_files(workspace: Workspace, lab: Lab, starter: Mapping[str, str], *, nonce: str, seed: int) -> None:
    """The lab's folder: starter files where missing, and lab.json with the attempt's nonce."""
    for name, text in starter.items():
        path = f"{lab.slug}/{name}"
        if not _exists(workspace, path):
            workspace.write_file(path, text)
    workspace.write_file(f"{lab.slug}/lab.json", _lab_json(lab.id, nonce, seed))


def _lab_json(lab_id: str, nonce: str, seed: int) -> str:
    """What a student's program reads to know its attempt."""
    return json.dumps({"lab": lab_id, "nonce": nonce, "seed": seed}, indent=2) + "\n"


def clear(endpoint: KafkaEndpoint, lab: Lab) -> None:
    """Remove what a lab owns in Kafka, and nothing else.

    Topics first: with a topic go all offsets committed on it, so that a group whose members have not left
    yet is as good as new.
    """
    stagehand.remove_topics(endpoint, lab.owns.topics)
    stagehand.remove_groups(endpoint, lab.owns.groups)


def stop_programs(workspace: Workspace, folder: str) -> None:
    """Ask the lab's programs to end, and end those that do not: who is asked may leave its group."""
    for program_id in _running(workspace, folder):
        workspace.stop_program(program_id)
    deadline = time.monotonic() + STOP_S
    while _running(workspace, folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    for program_id in _running(workspace, folder):
        workspace.kill_program(program_id)


def _exists(workspace: Workspace, path: str) -> bool:
    try:
        workspace.read_file(path)
    except FileMissing:
        return False
    except FileRefused:  # too large to show, or a link: the student's own all the same
        return True
    return True


def _running(workspace: Workspace, folder: str) -> list[str]:
    runs = workspace.programs()
    return [run.program_id for run in runs if run.running and run.path.startswith(f"{folder}/")]
