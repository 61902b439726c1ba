"""The gateway as clients see it: a real process, the vendors' own clients, a hostile upstream."""
