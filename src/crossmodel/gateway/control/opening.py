"""Settings become a control plane that listens."""

from __future__ import annotations

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


async def open_control_plane(
    cm: CrossModel, operations: Operations, metrics: Metrics, keyring: Keyring
) -> Running:
    """Listen where the setting ``gateway.control`` says. Stop it before ``cm`` is closed.

    Raises:
        ConfigurationError: if nothing can listen there, or the admin key cannot be used.
    """
    gateway = cm.settings.gateway
    host, port = split_address(gateway.control, "control")
    access = AdminAccess(admin_digest(cm.settings), is_loopback=is_loopback(host))
    control = Control(cm, operations, metrics, keyring)
    app = create_app(control, access, names=(host, *gateway.control_names))
    return await start(app, host, port, on_stop=control.readiness.settle)
