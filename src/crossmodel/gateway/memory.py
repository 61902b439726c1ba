"""What the process does so that memory which is free goes back to the system."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress
from typing import Final

M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Parameters of ``mallopt`` (malloc.h of glibc)."""

LARGE: Final = 128 * 1024
"""Bytes from which on a block is mapped by itself, and unmapped when it is free.

glibc raises this by itself with the first large block that is freed, up to 32 MiB. From then on
large answers lie in its heap between small objects, which hold them there for good.
"""

ARENAS: Final = 2


def give_back_large_blocks() -> None:
    """Keep large blocks out of the heap, where the allocator is glibc's; else do nothing."""
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_ARENA_MAX, ARENAS)


def trim() -> None:
    """Give free pages within the heap back to the system, where the allocator is glibc's.

    After a flood they would stay with the process for good. It takes some milliseconds.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def settle() -> None:
    """Leave what is here now out of all garbage collections: it stays as long as the process."""
    gc.collect()
    gc.freeze()
