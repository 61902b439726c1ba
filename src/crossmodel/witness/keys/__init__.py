"""Keys: by our own policy, in files or elsewhere, and believed only when pinned."""
