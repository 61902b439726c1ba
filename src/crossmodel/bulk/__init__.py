"""Work on more than one process should do: files cut into shards, and what is made of each.

A shard is read where the work on it is done, and gives the same on any machine. Who shares shards
out is a :class:`~crossmodel.ports.Spread`: the built-in ``map``, or a cluster.
"""
