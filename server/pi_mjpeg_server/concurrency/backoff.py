"""How long to wait before the next attempt."""

import random
from collections.abc import Sequence

_JITTER = 0.2


def retry_delay(delays: Sequence[float], attempt: int) -> float:
    """Return the seconds to wait before retry number `attempt` (the first is 0).

    It is `delays[attempt]`, or the last delay for all later retries. The result varies by 20 %, so that devices
    that lost power together do not all reconnect at the same moment.
    """
    delay = delays[min(attempt, len(delays) - 1)]
    return delay * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  (jitter, not a secret)
