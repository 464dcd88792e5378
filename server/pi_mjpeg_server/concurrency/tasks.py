"""Background tasks that do not fail in silence."""

import asyncio
import logging
from collections.abc import Coroutine

_LOGGER = logging.getLogger(__name__)


def create_logged_task(coroutine: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
    """Start `coroutine` as a task named `name`, and log an exception that ends it at once, with its traceback.

    asyncio itself reports it only when the task is collected as garbage: never, while an attribute holds the task. The
    caller has to hold the task, because the event loop keeps only a weak reference to it.
    """
    task = asyncio.create_task(coroutine, name=name)
    task.add_done_callback(_log_exception)
    return task


def _log_exception(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _LOGGER.error("the task %r failed", task.get_name(), exc_info=error)
