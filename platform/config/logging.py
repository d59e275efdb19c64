"""Log lines: a dotted event name followed by its fields, never a sentence with values inside."""

import logging

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """`2026-11-02T10:31:07.120 INFO sandboxes.reconcile sandbox.ready sandbox=1f3a took_s=0.8`."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={value!s}" for key, value in vars(record).items() if key not in _STANDARD)
        stamp = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        line = f"{stamp} {record.levelname} {record.name} {record.getMessage()} {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
