"""Settings: a TOML file or a dictionary, overlaid by the environment, checked whole before use.

A variable ``CROSSMODEL_SECTION__KEY`` overrides ``key`` of ``[section]``; deeper levels take more
double underscores. Secrets never stand in settings: a key names the variable that holds it.
"""

from crossmodel.settings.dashboard import DashboardSettings, DashboardUser
from crossmodel.settings.gateway import (
    CacheSettings,
    GatewayLimits,
    GatewaySettings,
    SharingSettings,
    split_address,
)
from crossmodel.settings.loading import assisted_by, load_settings
from crossmodel.settings.loop import (
    KeySettings,
    LoopSettings,
    ProviderSettings,
    StoreSettings,
    WitnessSettings,
)
from crossmodel.settings.operations import (
    AlertSettings,
    DeploymentSettings,
    HealthSettings,
    SinkSettings,
    TelemetrySettings,
)
from crossmodel.settings.whole import DEFAULT_MODEL, DEFAULT_PROVIDER, Settings

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_PROVIDER",
    "AlertSettings",
    "CacheSettings",
    "DashboardSettings",
    "DashboardUser",
    "DeploymentSettings",
    "GatewayLimits",
    "GatewaySettings",
    "HealthSettings",
    "KeySettings",
    "LoopSettings",
    "ProviderSettings",
    "Settings",
    "SharingSettings",
    "SinkSettings",
    "StoreSettings",
    "TelemetrySettings",
    "WitnessSettings",
    "assisted_by",
    "load_settings",
    "split_address",
]
