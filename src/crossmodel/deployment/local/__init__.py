"""Gateways on this machine: processes that share a port, and one that looks after them."""
