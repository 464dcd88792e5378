"""Named asyncio tasks of which none fails silently."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

_LOGGER = logging.getLogger(__name__)


class BackgroundTasks:
    """At most one running task per name. A task that raises is logged with its traceback."""

    def __init__(self) -> None:
        """Start with no tasks."""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run `coroutine` in a task. A running task of the same name is cancelled first."""
        if name in self._tasks:
            self._tasks[name].cancel()
        task = asyncio.create_task(coroutine, name=f"mqtt-{name}")
        task.add_done_callback(log_failure)
        self._tasks[name] = task

    def is_running(self, name: str) -> bool:
        """Return whether there is an unfinished task of this name."""
        return name in self._tasks and not self._tasks[name].done()

    def cancel(self) -> None:
        """Cancel all tasks without waiting for them."""
        for task in self._tasks.values():
            task.cancel()

    async def stop(self) -> None:
        """Cancel all tasks and wait until they have ended."""
        self.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())


def log_failure(task: asyncio.Task[None]) -> None:
    """Log the exception that ended a task, if there is one; to be used as its done callback."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOGGER.error("MQTT: the task %s failed", task.get_name(), exc_info=error)
