"""All sections together, and what answers when nothing is configured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from crossmodel.balancing.config import LoadBalancerConfig
from crossmodel.domain.config import (
    CrossModelVIFConfig,
    InsightExtractorConfig,
    ModelSelectorConfig,
)
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.transfer_config import InsightTransferConfig
from crossmodel.settings.dashboard import DashboardSettings
from crossmodel.settings.gateway import GatewaySettings
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
    TelemetrySettings,
)

DEFAULT_PROVIDER: Final = ProviderSettings(id="local", kind="local")
DEFAULT_MODEL: Final = ModelSpec(
    id="smollm2",
    provider="local",
    quality=0.2,
    latency_ms=1500.0,
    context_window=4096,
    follows_system_prompt=False,
)
"""What answers when nothing is configured: SmolLM2-135M-Instruct, free and on this machine."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set."""

    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    dashboard: DashboardSettings = field(default_factory=DashboardSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    loop: LoopSettings = field(default_factory=LoopSettings)
    witness: WitnessSettings = field(default_factory=WitnessSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    providers: tuple[ProviderSettings, ...] = (DEFAULT_PROVIDER,)
    models: tuple[ModelSpec, ...] = (DEFAULT_MODEL,)
    load_balancer: LoadBalancerConfig = field(default_factory=LoadBalancerConfig)
    keys: tuple[KeySettings, ...] = ()
    model_selector: ModelSelectorConfig = field(default_factory=ModelSelectorConfig)
    insight_extractor: InsightExtractorConfig = field(default_factory=InsightExtractorConfig)
    insight_transfer: InsightTransferConfig = field(default_factory=InsightTransferConfig)
    cross_model_vif: CrossModelVIFConfig = field(default_factory=CrossModelVIFConfig)
    health: HealthSettings = field(default_factory=HealthSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    deployment: DeploymentSettings = field(default_factory=DeploymentSettings)

    @property
    def watches(self) -> bool:
        """Whether the gateway looks after its health by itself."""
        return self.health.enabled or bool(self.alerts.sinks)
