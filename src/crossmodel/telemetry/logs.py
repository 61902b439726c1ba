"""Logs on standard error: text for people, or one JSON object a line for machines.

Library code logs through the standard library (docs/decisions/0004-logs.md); what is configured
here is the command line's rendering. Every line that is written while a request is worked on says
whose it is; no line says a secret.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, Final

import structlog

from crossmodel.domain import checks
from crossmodel.domain.scope import current_scope
from crossmodel.telemetry.log_forms import FORMATS, LEVELS
from crossmodel.telemetry.secrets import Secrets

LEVEL_VARIABLE: Final = "CROSSMODEL_LOG_LEVEL"
"""The variable that overrides the level of the settings."""

FIELDS: Final = ("request_id", "trace_id", "tenant", "model")
"""What a log call may say with ``extra=`` where no request is under way in its own context."""

_LOGGERS: Final = ("crossmodel", "opentelemetry")
"""Ours, and that of the exporters: what cannot be sent is said there."""

_HANDLER: Final = "crossmodel.telemetry"

Line = MutableMapping[str, Any]


def configure_logs(
    log_format: str = "text", level: str = "warning", *, secrets: Iterable[str] = ()
) -> None:
    """Send what this package logs to standard error; again, with others, replaces what was.

    Args:
        log_format: one of :data:`FORMATS`.
        level: one of :data:`LEVELS`; the variable :data:`LEVEL_VARIABLE` overrides it.
        secrets: keys and passwords of which no line may say any. What looks like a key, a bearer
            header or a password in a URL is blotted out in any case.

    Raises:
        InvalidInputError: if the format or the level is none.
    """
    checks.one_of("log_format", log_format, FORMATS)
    wanted = os.environ.get(LEVEL_VARIABLE, level).lower()
    checks.one_of(LEVEL_VARIABLE if LEVEL_VARIABLE in os.environ else "log_level", wanted, LEVELS)
    processors = _processors(log_format, Secrets(secrets))
    # retries speak through structlog, which would speak to standard output
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, *_SAID, *processors],
        wrapper_class=structlog.make_filtering_bound_logger(wanted),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(FIELDS),
                *_SAID,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *processors],
        )
    )
    handler.set_name(_HANDLER)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        for old in [each for each in logger.handlers if each.get_name() == _HANDLER]:
            logger.removeHandler(old)
        logger.addHandler(handler)
        logger.setLevel(wanted.upper())


def _processors(log_format: str, secrets: Secrets) -> list[Any]:
    # other formatters of exceptions show local variables: requests, and keys
    if log_format == "json":
        return [
            structlog.processors.format_exc_info,
            secrets.blot_line,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
            _one_line,
        ]
    return [
        structlog.processors.format_exc_info,
        secrets.blot_line,
        _printable,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _printable(_logger: object, _method: str, line: Line) -> Line:
    """Show control characters instead of obeying them; tracebacks keep their lines."""
    for name, value in line.items():
        if isinstance(value, str):
            kept = "\n\t" if name in _OF_MANY_LINES else ""
            line[name] = "".join(c if c.isprintable() or c in kept else _shown(c) for c in value)
    return line


_OF_MANY_LINES: Final = ("exception", "stack")


def _shown(character: str) -> str:
    return repr(character)[1:-1]


def _of_request(_logger: object, _method: str, line: Line) -> Line:
    """Say which request it is about, where one is under way."""
    scope = current_scope()
    if scope is not None:
        for field in ("request_id", "tenant", "trace_id"):
            value = getattr(scope, field)
            if value and field not in line:
                line[field] = value
    return line


_ENDS: Final = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"})
"""What ends a line beside what JSON escapes anyway, by some programs' reckoning."""


def _one_line(_logger: object, _method: str, text: str) -> str:
    """JSON whose characters can all be written, and none of which ends a line for somebody."""
    return text.translate(_ENDS).encode("utf-8", "backslashreplace").decode("utf-8")


_SAID: Final[list[Any]] = [
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _of_request,
]
