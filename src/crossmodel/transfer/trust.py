"""How far a source is trusted: what somebody said of it, or else what is known of its model."""

from __future__ import annotations

from collections.abc import Mapping

from crossmodel.domain.transfer_config import TrustConfig


def trust_of(source_model: str, config: TrustConfig, qualities: Mapping[str, float]) -> float:
    """Trust in what ``source_model`` says, 0..1.

    ``qualities`` are those of the configured models, 0..1 each. What the configuration says of a
    model goes before its quality; a source that nobody knows has the default trust.
    """
    if source_model in config.source_trust:
        return config.source_trust[source_model]
    return qualities.get(source_model, config.default_trust)
