"""Progress of long steps, printed line by line."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_REPEAT_INTERVAL = 15.0  # seconds


def say(text: str) -> None:
    """Print a line and flush it, also into a pipe."""
    print(text, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print a line at the start of a step, one every 15 s while it lasts, and one with its duration at the end."""
    started = time.monotonic()
    done = threading.Event()

    def elapsed() -> str:
        return f"{time.monotonic() - started:6.1f} s  {title}"

    def repeat() -> None:
        while not done.wait(_REPEAT_INTERVAL):
            say(f"{elapsed()}: still running")

    say(f"          {title} ...")
    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        say(f"{elapsed()}: failed")
        raise
    else:
        say(f"{elapsed()}: done")
    finally:
        done.set()
        thread.join()
