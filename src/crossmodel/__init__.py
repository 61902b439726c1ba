"""One model's lessons, every model's answers."""
