"""Native libraries that must be loaded with care beside those of the display."""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module


def load_triton_apart() -> None:
    """Load triton, which torch brings along, so that it keeps to its own copy of LLVM.

    OpenGL drivers of Mesa (software rendering, AMD) load an LLVM, too. The symbols of the two
    are the same, and on Linux they mix: the process dies as soon as something imports triton.
    To be called before torch is imported; does nothing where there is no triton.
    """
    if sys.platform != "linux" or "triton" in sys.modules or not hasattr(os, "RTLD_DEEPBIND"):
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        with contextlib.suppress(ImportError):
            import_module("triton")
    finally:
        sys.setdlopenflags(flags)
