"""An MQTT client without a broker, which acknowledges when the test tells it to."""

import asyncio


class RecordingClient:
    """Records what is published; `flush` waits until `acknowledge` is set."""

    def __init__(self) -> None:
        """Acknowledge at once."""
        self.published: list[tuple[str, str]] = []
        self.acknowledge = asyncio.Event()
        self.acknowledge.set()
        self.flushing = self.max_flushing = 0

    def publish(self, topic: str, payload: str) -> None:
        """Record a message."""
        self.published.append((topic, payload))

    async def flush(self, _seconds: float) -> bool:
        """Wait for `acknowledge` and count how many wait at once."""
        self.flushing += 1
        self.max_flushing = max(self.max_flushing, self.flushing)
        await self.acknowledge.wait()
        self.flushing -= 1
        return True
