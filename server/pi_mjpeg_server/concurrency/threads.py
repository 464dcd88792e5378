"""Run blocking calls in threads that do not delay the end of the process."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_T = TypeVar("_T")


def resolve(future: Future[_T], call: Callable[[], _T]) -> None:
    """Run `call` in this thread and set its result or exception on `future`.

    Does nothing if `future` is cancelled already.
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
    """Run `call` in a new thread named `name`. Return its result, or raise its exception.

    Unlike `asyncio.to_thread`, it never delays the end of the process: a DNS lookup or a TLS handshake may take a
    minute to fail.
    """
    future: Future[_T] = Future()
    threading.Thread(target=resolve, args=(future, call), name=name, daemon=True).start()
    return await asyncio.wrap_future(future)
