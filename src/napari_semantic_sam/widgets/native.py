"""Libraries that take seconds to load, without holding up the user interface."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

_STEPS = (
    "pandas",  # napari needs it for our layers
    "skimage.color.colorconv",  # and this for colours of labels
    "torch",
    "timm",
    "napari_semantic_sam.inference.predictor",
    "napari_semantic_sam.model.loading",
)
_TORCH = (
    "lib/libtorch_global_deps.so",
    "../nvidia/*/lib/libcublasLt.so.*",
    "lib/libtorch.so",
    "lib/libtorch_python.so",
)
"""Shared libraries of torch in the order in which it loads them itself."""

_NEVER = 2**31 - 1
_AS_MANY = 500_000
"""Objects there are once all is loaded, about."""

_loading = Lock()


def load_libraries(is_cancelled: Callable[[], bool]) -> None:
    """Load what opening a picture and asking the model need; for a worker thread.

    Who calls this while another thread is at it waits for that one. A thread that imports
    lets the others run, except while it opens shared libraries and while the garbage
    collector looks at all objects, which imports provoke: half a second each. So the shared
    libraries are opened beforehand by a call that lets the others run, and the collector
    looks at new objects only, a few thousand at a time.

    Parameters
    ----------
    is_cancelled : callable
        Asked between the libraries.
    """
    with _loading:
        if any(name not in sys.modules for name in _STEPS):
            with _only_new_objects_examined():
                _load(is_cancelled)


def _load(is_cancelled: Callable[[], bool]) -> None:
    open_shared_libraries()
    for name in _STEPS:
        if is_cancelled():
            return
        import_module(name)
    _call_known()


def open_shared_libraries() -> None:
    """Open the large shared libraries that torch brings along, where that is known to help.

    OpenGL drivers of Mesa (software rendering, AMD) load an LLVM, and so does triton. The
    symbols of the two are the same, and on Linux they mix: the process dies as soon as
    something imports triton. Opened here, its library keeps to its own copy.
    """
    if sys.platform != "linux" or "torch" in sys.modules:
        return
    for path in _files_of("triton", "_C/libtriton.so"):
        _open(path, os.RTLD_NOW | getattr(os, "RTLD_DEEPBIND", 0))
    for pattern in _TORCH:
        for path in _files_of("torch", pattern):
            is_global = pattern == _TORCH[0]  # which torch opens so, too
            _open(path, os.RTLD_NOW | (os.RTLD_GLOBAL if is_global else os.RTLD_LOCAL))


def _files_of(package: str, pattern: str) -> list[Path]:
    """Return files of a package, which is not imported; none if it is not there."""
    found = find_spec(package)
    folders = found.submodule_search_locations if found else None
    return [path for folder in folders or () for path in sorted(Path(folder).glob(pattern))]


def _open(path: Path, flags: int) -> None:
    """Open a shared library; Python's own ways would stop all its threads meanwhile.

    What cannot be opened is left to the import, which says why.
    """
    call = ctypes.CDLL(None).dlopen
    call.argtypes, call.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    call(os.fsencode(path), flags)


@contextlib.contextmanager
def _only_new_objects_examined() -> Iterator[None]:
    """Keep the garbage collector from going through everything while many objects come."""
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)


def _call_known() -> None:
    """Have the garbage collector treat what is there as something it has gone through.

    It goes through everything when a quarter more has come since the last time, which is
    right after so much was imported. So it is given a last time: it is shown about as many
    objects that it is done with in no time, while all others are set aside. They are put
    back at once, and what of them becomes garbage is found as ever.
    """
    if not gc.isenabled() or gc.get_freeze_count():  # the application has its own way
        return
    gc.freeze()
    try:
        stand_ins: list[list[None]] = [[] for _ in range(_AS_MANY)]
        gc.collect()
        del stand_ins
    finally:
        gc.unfreeze()
