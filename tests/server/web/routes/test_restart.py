"""Restarting a camera over HTTP."""

from pathlib import Path

import aiohttp

from tests.server.support.scripted_camera import Script, camera, serving, until


async def test_a_camera_is_restarted_over_http(tmp_path: Path) -> None:
    script = Script()
    async with serving(tmp_path, [camera(script)]) as served, aiohttp.ClientSession() as client:
        async with client.get(f"{served.url}/stream") as watching:
            await watching.content.readany()
            opened = script.opened
            async with client.post(f"{served.url}/api/cameras/front/restart") as response:
                assert response.status == 204
            await until(lambda: script.opened > opened)
        async with client.post(f"{served.url}/api/cameras/back/restart") as response:
            assert response.status == 404
