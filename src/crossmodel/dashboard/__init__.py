"""The dashboard: what people look at in a browser. A process of its own, over the same store.

Every page reads; what changes something is a form that is posted, and the handler of the form asks
who posts it. Names load when they are used: the web framework is an extra.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.dashboard.passwords import hash_password
    from crossmodel.dashboard.serving import run

__all__ = ["hash_password", "run"]

_MODULE_OF = {"hash_password": "passwords", "run": "serving"}

__getattr__ = loader(__name__, _MODULE_OF)
