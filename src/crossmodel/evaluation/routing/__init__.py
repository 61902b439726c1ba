"""How good routers are: the figures of ``crossmodel eval selection``."""
