"""A clock that only moves when told, and what several tests build with it."""

import random

from crossmodel.balancing import Balancer, Lease, LoadBalancerConfig


class VirtualClock:
    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now


def balancer(ids="abcd", clock=None, seed=1, **config):
    return Balancer(
        ids, LoadBalancerConfig(**config), clock=clock or VirtualClock(), random=random.Random(seed)
    )


def pick(balancer, tried=()):
    lease = balancer.pick(tried)
    assert isinstance(lease, Lease), lease
    return lease
