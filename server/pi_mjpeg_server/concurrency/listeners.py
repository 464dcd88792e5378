"""Calls to listeners whose errors must not reach the caller."""

import logging
from collections.abc import Callable
from typing import ParamSpec

_LOGGER = logging.getLogger(__name__)
_P = ParamSpec("_P")


def notify(listener: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Call `listener`. Log an exception that it raises, with its traceback, and return normally."""
    try:
        listener(*args, **kwargs)
    except Exception:
        _LOGGER.exception("%s raised an exception", getattr(listener, "__qualname__", listener))
