"""The two configurations that the reference gives, as settings read them."""

from __future__ import annotations

from typing import Any, Final

PRODUCTION_CONFIG: Final[dict[str, Any]] = {
    "model_selector": {
        "weights": {
            "capability_weight": 0.4,
            "quality_weight": 0.3,
            "cost_weight": 0.2,
            "latency_weight": 0.1,
        },
        "quality_thresholds": {
            "reasoning": 0.8,
            "creativity": 0.7,
            "analysis": 0.9,
            "coding": 0.8,
            "math": 0.9,
            "language": 0.7,
        },
        "cost_optimization": {
            "enable_cost_optimization": True,
            "budget_constraints": {"daily_budget": 100.0, "monthly_budget": 3000.0},
        },
    },
    "insight_extractor": {
        "confidence_config": {
            "minimum_confidence_threshold": 0.6,
            "enable_confidence_calibration": True,
        },
        "validation_config": {"enable_validation": True, "strict_validation": True},
        "max_insights_per_extraction": 50,
        "remove_duplicates": True,
    },
    "insight_transfer": {
        "quality_validation": {
            "enable_quality_validation": True,
            "minimum_quality_threshold": 0.7,
        },
        "transfer_protocols": {"default_protocol": "standard", "custom_protocols": {}},
    },
    "cross_model_vif": {
        "provenance_tracking": {
            "enable_provenance_tracking": True,
            "retention_period_days": 365,
        },
        "witness_generation": {
            "enable_witness_generation": True,
            "cryptographic_algorithm": "RSA-2048",
        },
    },
}
"""The reference's production dictionary: :func:`load_settings` takes it as it stands."""

DEVELOPMENT_CONFIG: Final[dict[str, Any]] = {
    "model_selector": {
        "weights": {
            "capability_weight": 0.5,
            "quality_weight": 0.3,
            "cost_weight": 0.1,
            "latency_weight": 0.1,
        },
        "quality_thresholds": {
            "reasoning": 0.5,
            "creativity": 0.5,
            "analysis": 0.6,
            "coding": 0.5,
            "math": 0.6,
            "language": 0.5,
        },
    },
    "insight_extractor": {
        "confidence_config": {
            "minimum_confidence_threshold": 0.3,
            "enable_confidence_calibration": False,
        },
        "validation_config": {"enable_validation": True, "strict_validation": False},
        "max_insights_per_extraction": 100,
        "remove_duplicates": False,
    },
}
"""The reference's development dictionary: :func:`load_settings` takes it as it stands."""
