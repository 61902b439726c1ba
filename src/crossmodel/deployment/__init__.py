"""Running CrossModel for others: on this machine, or on a cluster."""
