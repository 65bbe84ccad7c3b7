"""Checks a radio's settings. Messages start with the setting's name, so that an error can point to its line."""


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Refuse a setting outside what makes sense.

    Args:
        name: name of the setting.
        value: what it was set to.
        low: smallest that is allowed.
        high: largest that is allowed.

    Raises:
        ValueError: `value` is not in [low, high]; NaN never is.

    >>> check_range("tail_s", 20.0, 0, 60)
    """
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low:g} and {high:g}, got {value:g}")


def check_share(name: str, value: float) -> None:
    """Refuse a share of which something would have to be repeated for ever.

    Raises:
        ValueError: `value` is not in [0, 1).

    >>> check_share("retransmission_share", 0.05)
    """
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {value:g}")


def check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a setting that is none of the words known.

    Raises:
        ValueError: `value` is not among `allowed`.

    >>> check_choice("coverage", "normal", ("normal", "robust"))
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
