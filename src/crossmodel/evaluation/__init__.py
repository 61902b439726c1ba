"""Evaluation: what insights do for a model's answers, measured so that chance shows."""
