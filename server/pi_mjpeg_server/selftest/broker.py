"""Whether the MQTT broker takes the connection of this server."""

import asyncio

from pi_mjpeg_server.concurrency.events import wait_for_event
from pi_mjpeg_server.config import Configuration, ConfigurationError
from pi_mjpeg_server.selftest.report import Finding, absent, failed, passed

_TIMEOUT = 10.0


def broker(configuration: Configuration) -> Finding:
    """Connect as the server does, publish nothing, and disconnect."""
    if configuration.mqtt.host is None:
        return absent("no broker is configured")
    return asyncio.run(_connect(configuration, configuration.mqtt.host))


async def _connect(configuration: Configuration, host: str) -> Finding:
    # Only with a broker: paho-mqtt takes seven megabytes.
    from pi_mjpeg_server.mqtt import broker_security  # noqa: PLC0415
    from pi_mjpeg_server.mqtt.reconnecting_client import Message, MqttClient  # noqa: PLC0415

    connected = asyncio.Event()
    errors: list[str] = []

    class _Listener:
        def connected(self) -> None:
            connected.set()

        def disconnected(self, reason: str) -> None:
            errors.append(reason)

        def received(self, message: Message) -> None:
            """Nothing is subscribed."""

    try:
        broker_security.check(configuration.mqtt)
    except ConfigurationError as error:
        return failed(str(error))
    began = asyncio.get_running_loop().time()
    client = MqttClient(configuration.mqtt, host, None, _Listener())
    client.start()
    try:
        if not await wait_for_event(connected, _TIMEOUT):
            return failed(f"no connection within {_TIMEOUT:.0f} s: {errors[-1] if errors else 'it does not answer'}")
    finally:
        await client.stop()
    how = "with TLS" if configuration.mqtt.tls else "without TLS"
    return passed(f"connected in {asyncio.get_running_loop().time() - began:.2f} s, {how}")
