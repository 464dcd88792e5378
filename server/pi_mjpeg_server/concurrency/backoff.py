"""How long to wait before the next attempt."""

import random
from collections.abc import Sequence

_JITTER = 0.2


def retry_delay(delays: Sequence[float], attempt: int) -> float:
    """Return the seconds before attempt number `attempt` (the first is 0): the last of `delays` holds for all later.

    The delay varies by 20 %, so that devices that lost the same power do not all come back in the same moment.
    """
    delay = delays[min(attempt, len(delays) - 1)]
    return delay * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  (jitter, not a secret)
