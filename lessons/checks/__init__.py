"""What authors write judges with: verdicts, the facts of an attempt, and a read-only view of a sandbox.

A judge is a plain function `(view, attempt) -> Verdict` in a lab's `checks.py`. It reads the student's
cluster through `SandboxView` and changes nothing; given the same view and facts it gives the same
verdict. Nothing here knows Django, Kafka clients or how a sandbox is run.
"""

from lessons.checks.facts import AttemptFacts, StimulusFact, WorkloadRecord
from lessons.checks.verdicts import (
    Broken,
    Evidence,
    Fail,
    Judge,
    NotReady,
    Pass,
    State,
    TimedOut,
    Verdict,
    Waiting,
)
from sandboxes.view import (
    ConfigValue,
    FaultView,
    GroupView,
    Horizon,
    Isolation,
    MemberView,
    PartitionOffsets,
    PartitionView,
    ProgramView,
    RecordView,
    SandboxView,
    ScanTooLarge,
    TopicView,
    ViewUnavailable,
    lag,
)

__all__ = [
    "AttemptFacts",
    "Broken",
    "ConfigValue",
    "Evidence",
    "Fail",
    "FaultView",
    "GroupView",
    "Horizon",
    "Isolation",
    "Judge",
    "MemberView",
    "NotReady",
    "PartitionOffsets",
    "PartitionView",
    "Pass",
    "ProgramView",
    "RecordView",
    "SandboxView",
    "ScanTooLarge",
    "State",
    "StimulusFact",
    "TimedOut",
    "TopicView",
    "Verdict",
    "ViewUnavailable",
    "Waiting",
    "WorkloadRecord",
    "lag",
]
