"""Units of length and time, as files write them."""

from __future__ import annotations

_MICROMETRES = {"nm": 1e-3, "µm": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6, "inch": 25_400.0}
_NAMES = {
    "nm": ("nm", "nanometer", "nanometers", "nanometre"),
    "µm": ("µm", "μm", "um", "micron", "microns", "micrometer", "micrometers", "micrometre"),
    "mm": ("mm", "millimeter", "millimeters", "millimetre"),
    "cm": ("cm", "centimeter", "centimeters", "centimetre"),
    "m": ("m", "meter", "meters", "metre"),
    "inch": ("inch", "inches", "in", '"'),
    "ms": ("ms", "msec", "millisecond", "milliseconds"),
    "s": ("s", "sec", "second", "seconds"),
    "min": ("min", "minute", "minutes"),
    "h": ("h", "hour", "hours"),
}
_SHORT = {name: short for short, names in _NAMES.items() for name in names}


def short_unit(text: str) -> str:
    r"""Return the sign of a unit: ``"micron"``, ``"um"`` and ``"\u00B5m"`` are all ``"µm"``.

    What is not known, pixels for example, is "".
    """
    plain = text.strip().replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    return _SHORT.get(plain.lower() if len(plain) > 1 else plain, "")


def in_micrometres(length: float, unit: str) -> float | None:
    """Return a length in micrometres; None if `unit` is no sign of a length."""
    factor = _MICROMETRES.get(unit)
    return None if factor is None else length * factor
