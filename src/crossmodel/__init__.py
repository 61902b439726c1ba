"""One model's lessons, every model's answers.

Everything public is importable from here; ``__init__.pyi`` lists it. Names load when they are
first used, so ``import crossmodel`` costs next to nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
