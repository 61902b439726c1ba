"""How far extraction can be trusted, measured on real answers."""
