"""What scripts/demo, scripts/test and scripts/lint stand on: a house with a broker, a Pi and Home Assistant.

From the ground up, each room imports only rooms below it:

trouble, progress, network, cache, processes - the floor
debian, installer, interpreter, environments, programs - getting things without root: packages, uv, Python, Mosquitto
broker, server, home_assistant, hass_client, house - a real house, joined as a person would join it
demo and show, lanes, lint - the commands

hass_client, house and show need aiohttp, so they run inside the server's environment. All else runs on the standard
library alone, because it runs before any environment exists.
"""
