"""Protocols: the forms in which insights are written down for a model."""
