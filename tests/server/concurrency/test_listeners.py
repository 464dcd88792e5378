"""Calls to listeners."""

import pytest
from pi_mjpeg_server.concurrency.listeners import notify


def test_a_listener_gets_its_arguments() -> None:
    calls: list[tuple[int, str]] = []

    def listener(number: int, *, word: str) -> None:
        calls.append((number, word))

    notify(listener, 1, word="one")
    assert calls == [(1, "one")]


def test_an_exception_is_logged_with_its_traceback_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    def broken_listener() -> None:
        raise ZeroDivisionError("a bug")

    notify(broken_listener)
    assert "broken_listener raised an exception" in caplog.text
    assert "Traceback" in caplog.text
    assert "ZeroDivisionError: a bug" in caplog.text
