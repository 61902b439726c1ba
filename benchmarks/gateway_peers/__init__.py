"""What ``gateway.py`` runs side by side: the peers, the upstream behind them, the load."""
