"""Those who are told: the log, a webhook, people by e-mail, or a command.

Names load when they are used: each brings the library that it needs.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.telemetry.alerts.sinks.command import CommandSink
    from crossmodel.telemetry.alerts.sinks.log import LogSink
    from crossmodel.telemetry.alerts.sinks.mail import MailSink
    from crossmodel.telemetry.alerts.sinks.webhook import WebhookSink

__all__ = ["CommandSink", "LogSink", "MailSink", "WebhookSink"]

_MODULE_OF = {
    "CommandSink": "command",
    "LogSink": "log",
    "MailSink": "mail",
    "WebhookSink": "webhook",
}

__getattr__ = loader(__name__, _MODULE_OF)
