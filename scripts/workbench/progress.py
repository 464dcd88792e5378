"""One line when a step begins and one with the time it took, and a sign of life while it is long."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SIGN_OF_LIFE = 15.0  # seconds of silence that a person bears before wondering


def say(text: str) -> None:
    """Print a line at once, whoever reads it."""
    print(text, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step, repeat its title while it lasts, and say how many seconds it took."""
    began = time.monotonic()
    done = threading.Event()

    def taken() -> str:
        return f"{time.monotonic() - began:6.1f} s  {title}"

    def keep_saying() -> None:
        while not done.wait(_SIGN_OF_LIFE):
            say(f"{taken()}: still at it")

    say(f"          {title} ...")
    thread = threading.Thread(target=keep_saying, daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        say(f"{taken()}: failed")
        raise
    else:
        say(f"{taken()}: done")
    finally:
        done.set()
        thread.join()
