"""How good extraction is: figures over answers of which something is known."""
