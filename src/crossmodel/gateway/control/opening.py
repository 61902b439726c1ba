"""Settings become a control plane that listens."""

from __future__ import annotations

from crossmodel.assembly import CrossModel
from crossmodel.gateway.control.access import AdminAccess
from crossmodel.gateway.control.app import create_app
from crossmodel.gateway.control.context import Control
from crossmodel.gateway.control.ports import Operations
from crossmodel.gateway.control.serving import Running, start
from crossmodel.gateway.keys import Keyring, admin_digest
from crossmodel.gateway.loopback import is_loopback
from crossmodel.gateway.metrics import Metrics
from crossmodel.settings import split_address


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
    app = create_app(control, access, names=(host, *gateway.control_names))
    running = await start(app, host, port, on_stop=control.stop)
    try:
        await control.start()
    except BaseException:
        await running.stop()
        raise
    return running
