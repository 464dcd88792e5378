"""Events, threads, tasks and retries, as asyncio code needs them everywhere. Knows nothing of cameras or networks."""
