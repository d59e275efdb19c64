"""The fifty tasks that were just created. Given: there is nothing to change here."""

import random

from sandbox import attempt

TITLES = [
    "Summarise the meeting",
    "Draft the release notes",
    "Review the pull request",
    "Plan the sprint",
    "Answer the customer",
    "Check the invoice",
    "Přeložit zprávu",
    "Book the room",
]
AGENTS = ["planner", "coder", "notifier"]


def created_tasks() -> list[dict[str, str]]:
    """Fifty tasks, each with a task_id of this attempt, a title and the agent that made it."""
    lab = attempt()
    chance = random.Random(lab["seed"])
    return [
        {
            "task_id": f"T-{lab['nonce']}-{number:02}",
            "title": chance.choice(TITLES),
            "agent": chance.choice(AGENTS),
        }
        for number in range(1, 51)
    ]
