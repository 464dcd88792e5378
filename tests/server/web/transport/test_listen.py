"""A server that cannot listen says what to do about it."""

import errno
import socket

import pytest
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.web.transport.listen import ListenError, listening


async def reason(host: str, port: int) -> str:
    with pytest.raises(ListenError) as raised:
        async with listening(ServerSettings(host=host, port=port)):
            pass
    return str(raised.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "::1%nowhere"])
async def test_an_address_that_is_not_of_this_machine_is_not_called_a_wrong_port(host: str) -> None:
    assert "--host" in (said := await reason(host, 8000))
    assert "--port" not in said


async def test_a_port_that_is_taken_is_to_be_another_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert "try --port" in await reason("127.0.0.1", other.getsockname()[1])


async def test_a_port_that_needs_a_right_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    assert "below 1024" in await reason("127.0.0.1", 80)
