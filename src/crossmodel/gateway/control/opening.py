"""Settings become a control plane that listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossmodel.assembly import CrossModel
from crossmodel.gateway.control.access import AdminAccess
from crossmodel.gateway.control.app import create_app
from crossmodel.gateway.control.context import Control
from crossmodel.gateway.control.ports import Operations
from crossmodel.gateway.control.serving import Running, start
from crossmodel.gateway.keys import Keyring, admin_digest
from crossmodel.gateway.metrics import Metrics
from crossmodel.settings import split_address
from crossmodel.wire.hosts import is_loopback

if TYPE_CHECKING:
    from crossmodel.telemetry.otlp_metrics import MetricsSender


async def open_control_plane(
    cm: CrossModel, operations: Operations, metrics: Metrics, keyring: Keyring
) -> Running:
    """Listen where the setting ``gateway.control`` says. Stop it before ``cm`` is closed.

    Raises:
        ConfigurationError: if nothing can listen there, the admin key cannot be used, or a sink
            of alerts cannot.
    """
    gateway = cm.settings.gateway
    host, port = split_address(gateway.control, "control")
    access = AdminAccess(admin_digest(cm.settings), is_loopback=is_loopback(host))
    control = Control(cm, operations, metrics, keyring)
    sending = _send_metrics(cm, control)
    app = create_app(control, access, names=(host, *gateway.control_names))

    async def on_stop() -> None:
        if sending is not None:
            await sending.close()
        await control.stop()

    running = await start(app, host, port, on_stop=on_stop)
    try:
        await control.start()
    except BaseException:
        await running.stop()
        raise
    return running


def _send_metrics(cm: CrossModel, control: Control) -> MetricsSender | None:
    """Send them to the collector that the settings name, if they name one."""
    export = cm.telemetry
    if export is None:
        return None
    from crossmodel.telemetry.otlp import metric_exporter  # noqa: PLC0415 - few gateways have one
    from crossmodel.telemetry.otlp_metrics import MetricsSender  # noqa: PLC0415 - likewise

    exporter = metric_exporter(export.endpoint, export.headers)
    return MetricsSender(control.scraper.families, exporter, export.who)
