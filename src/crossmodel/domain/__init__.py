"""The types that every stage shares; no logic beyond validation."""
