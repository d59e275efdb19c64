"""Reads prediction.json. Given: there is nothing to change here."""

import json
from pathlib import Path

ANSWERS = {
    "same_key_same_partition": ("yes", "no"),
    "equal_share": ("yes", "no"),
    "partitions_used": ("1", "2", "3"),
}


def missing() -> str:
    """What keeps prediction.json from being a prediction, in one sentence; empty when nothing does."""
    try:
        sheet = json.loads(Path("prediction.json").read_text())
    except FileNotFoundError:
        return "There is no prediction.json here."
    except json.JSONDecodeError as error:
        return f"prediction.json is not valid JSON: {error.msg}, at line {error.lineno}, column {error.colno}."
    for name, allowed in ANSWERS.items():
        answer = sheet.get(name, "") if isinstance(sheet, dict) else ""
        if str(answer).strip().lower() not in allowed:
            return f"In prediction.json, {name} is to be one of {', '.join(allowed)}. What do you expect?"
    return ""
