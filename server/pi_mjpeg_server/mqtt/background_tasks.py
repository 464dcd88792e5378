"""Named asyncio tasks of which none fails silently."""

import asyncio
from collections.abc import Coroutine

from pi_mjpeg_server.concurrency.tasks import create_logged_task


class BackgroundTasks:
    """At most one running task per name. A task that raises is logged with its traceback."""

    def __init__(self) -> None:
        """Start with no tasks."""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, coroutine: Coroutine[object, object, None]) -> None:
        """Run `coroutine` in a task. A running task of the same name is cancelled first."""
        if name in self._tasks:
            self._tasks[name].cancel()
        self._tasks[name] = create_logged_task(coroutine, f"mqtt-{name}")

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
