"""Jobs that the driver's thread does for the event loop, such as setting controls."""

import asyncio
import threading

import pytest
from pi_mjpeg_server.sources import Source, SourceError
from pi_mjpeg_server.sources.controls import Control, ControlError

from tests.server.support.scripted_camera import (
    Script,
    ScriptedSource,
    camera,
    idle,
    supervised,
)

pytestmark = pytest.mark.usefixtures("short_timeouts")


async def test_a_control_job_that_takes_too_long_is_reported_and_later_jobs_still_run() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        await idle(cam)
        release = threading.Event()

        def block(_: Source) -> None:
            release.wait(5)

        with pytest.raises(SourceError, match="did not answer within"):
            await cam.supervisor.run(block)
        calls: list[str] = []
        with pytest.raises(SourceError, match="did not answer within"):
            await cam.supervisor.run(lambda _: calls.append("cancelled"))
        release.set()
        await cam.supervisor.run(lambda _: calls.append("run"))
        assert calls == ["run"]


async def test_a_control_of_a_camera_that_has_been_replaced_meanwhile_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        await idle(cam)
        replaced = {"zoom": Control("zoom", "integer", 0, 0, 0, 9, 1)}
        monkeypatch.setattr(ScriptedSource, "controls", lambda _: replaced)
        with pytest.raises(ControlError, match="there is no control 'brightness'; there is: zoom"):
            await cam.set_controls({"brightness": 2})
        assert script.brightness == 0


async def test_jobs_beyond_the_limit_are_refused_and_the_others_are_run() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        await idle(cam)
        release = threading.Event()
        results = asyncio.gather(
            cam.supervisor.run(lambda _: release.wait(5)),
            *(cam.supervisor.run(lambda _, number=number: number) for number in range(20)),  # type: ignore[misc]  # mypy infers no default
            return_exceptions=True,
        )
        await asyncio.sleep(0.05)
        release.set()
        answers = await results
    refused = [answer for answer in answers if isinstance(answer, SourceError)]
    assert 1 <= len(refused) <= 5
    assert all("busy" in str(error) for error in refused)
    assert len(answers) - len(refused) >= 16


async def test_an_exception_of_a_job_is_raised_where_it_is_awaited() -> None:
    async with supervised(cam := camera(Script())):
        await idle(cam)
        with pytest.raises(ZeroDivisionError):
            await cam.supervisor.run(lambda _: 1 / 0)
        await idle(cam)
