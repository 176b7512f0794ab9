"""Structured logs: one line per row of the journal, as JSON or for people.

Every line carries decision digest, mandate, slot, run and step, so that whoever has one
of them finds the rest. It decides what a line may say: addresses are cut down to their
host, secrets that the agent knows are taken out wherever they come up, and text from
models and nodes stays on its line. It trusts the formatter of the standard library.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from affiant.agents.durable.journal import Entry
from affiant.agents.programs.one_line import one_line
from affiant.agents.running.progress import RunResult
from affiant.agents.settings.config import LogSection
from affiant.agents.settings.config_report import hide_addresses
from affiant.encoding import to_hex

CORRELATION = ("decision", "mandate", "slot", "run", "step")
"""Fields of every line; null where there is nothing to say yet."""

MAX_TEXT_CHARS = 1000
"""Longest text in a line, in characters; the rest is cut off."""

SECRET = "[secret]"
"""What stands where a secret was."""

logger = logging.getLogger("affiant.agent")
"""The agent's own lines; `affiant` is the parent of all of ours."""

_LEVELS = {
    "refused": logging.WARNING,
    "unavailable": logging.WARNING,
    "lost": logging.WARNING,
    "failed": logging.ERROR,
}
_FACTS = (
    "act",
    "block",
    "gas",
    "nonce",
    "skipped",
    "valueAtRisk",
    "readyAt",
    "validUntil",
    "evidence",
    "node",
)


class LogObserver:
    """Writes a line per row; the last row of a run says how it ended."""

    def __init__(self, handler: logging.Handler) -> None:
        """Own `handler`, which `open_log` attached."""
        self._handler = handler

    def row(self, entry: Entry) -> None:
        """Write a line."""
        level = _LEVELS.get(entry.status, logging.INFO)
        fields = fields_of(entry)
        logger.log(level, "%s %s", entry.step, entry.status, extra={"affiant": fields})

    def result(self, result: RunResult) -> None:
        """Write nothing: the row `record` has said it."""

    def close(self) -> None:
        """Take the handler away again and close it."""
        logging.getLogger("affiant").removeHandler(self._handler)
        self._handler.close()


def fields_of(entry: Entry) -> dict[str, Any]:
    """Return what a row says, by the names that logs use."""
    detail: Mapping[str, Any] = entry.detail if isinstance(entry.detail, dict) else {}
    fields: dict[str, Any] = {
        "decision": None if entry.digest is None else to_hex(entry.digest),
        "mandate": to_hex(entry.mandate),
        "slot": entry.slot,
        "run": entry.run,
        "step": str(detail.get("step") or entry.step),
        "status": entry.status,
        "at": entry.at,
    }
    if entry.transaction is not None:
        fields["transaction"] = entry.transaction
    plan = detail.get("plan")
    if isinstance(plan, dict) and isinstance(plan.get("actions"), list):
        fields["actions"] = [
            str(action.get("action"))
            for action in plan["actions"]
            if isinstance(action, dict)
        ]
        fields["why"] = str(plan.get("why", ""))
    if "error" in detail:
        fields["error"] = str(detail["error"])
        fields["reason"] = str(detail.get("message", ""))
    fields.update({name: detail[name] for name in _FACTS if name in detail})
    return fields


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ASCII, keys in a fixed order."""

    def __init__(self, *, secrets: Sequence[str] = ()) -> None:
        """Take `secrets` out of every line."""
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        said = getattr(record, "affiant", {})
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **dict.fromkeys(CORRELATION),
            **said,
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)[-MAX_TEXT_CHARS:]
        return json.dumps(clean(line, secrets=self._secrets), default=str)


class TextFormatter(logging.Formatter):
    """One line for people: time, level, slot, step and status, and why."""

    def __init__(self, *, secrets: Sequence[str] = ()) -> None:
        """Take `secrets` out of every line."""
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of text."""
        said = getattr(record, "affiant", {})
        time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S")
        parts = [time, record.levelname.lower().ljust(7)]
        if "slot" in said:
            parts.append(f"slot {said['slot']}")
        parts.append(record.getMessage())
        for name in ("decision", "transaction", "actions", "error", "reason", "why"):
            if said.get(name):
                value = said[name]
                text = ", ".join(value) if isinstance(value, list) else str(value)
                parts.append(f"{name}={text}")
        if said:
            parts.append(f"mandate={said['mandate']} run={said['run']}")
        if record.exc_info and record.exc_info[0] is not None:
            parts.append(self.formatException(record.exc_info)[-MAX_TEXT_CHARS:])
        return str(clean(one_line(" ".join(parts)), secrets=self._secrets))


def clean(value: Any, *, secrets: Sequence[str] = (), depth: int = 4) -> Any:
    """Return `value` as a line may say it: texts cut, addresses and secrets hidden.

    Args:
        depth: how deep lists and tables are followed; what is below becomes text.
    """
    if isinstance(value, str):
        text = value
        for secret in secrets:
            if secret:
                text = text.replace(secret, SECRET)
        return hide_addresses(text)[:MAX_TEXT_CHARS]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth and isinstance(value, Mapping):
        return {
            str(key): clean(item, secrets=secrets, depth=depth - 1)
            for key, item in value.items()
        }
    if depth and isinstance(value, (list, tuple)):
        return [clean(item, secrets=secrets, depth=depth - 1) for item in value]
    return clean(str(value), secrets=secrets)


def open_log(section: LogSection, *, secrets: Sequence[str] = ()) -> LogObserver:
    """Write what Affiant logs as `section` says, until the observer is closed.

    Args:
        secrets: texts that no line may hold.

    Raises:
        OSError: the file cannot be opened.
    """
    handler: logging.Handler = (
        logging.StreamHandler(sys.stderr)
        if section.file is None
        else logging.FileHandler(section.file, encoding="utf-8")
    )
    formatter = JsonFormatter if section.format == "json" else TextFormatter
    handler.setFormatter(formatter(secrets=secrets))
    handler.setLevel(section.level.upper())
    root = logging.getLogger("affiant")
    if root.level == logging.NOTSET or root.level > handler.level:
        root.setLevel(handler.level)
    root.addHandler(handler)
    return LogObserver(handler)
