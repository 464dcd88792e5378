"""Blocking calls in threads that the process does not wait for when it ends."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_T = TypeVar("_T")


def resolve(future: Future[_T], call: Callable[[], _T]) -> None:
    """Run `call` in this thread and resolve `future` with what it returns or raises.

    Does nothing when the future was cancelled before.
    """
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except Exception as error:  # noqa: BLE001  (raised again where the future is awaited)
        future.set_exception(error)
    else:
        future.set_result(result)


async def run_in_daemon_thread(call: Callable[[], _T], name: str) -> _T:
    """Return what `call` returns, or raise what it raises, from a thread of its own named `name`.

    Unlike `asyncio.to_thread`, it never delays the end of the process: a DNS lookup or a TLS handshake may take a
    minute to fail.
    """
    future: Future[_T] = Future()
    threading.Thread(target=resolve, args=(future, call), name=name, daemon=True).start()
    return await asyncio.wrap_future(future)
