"""What scripts/demo, scripts/test and scripts/lint stand on: a house with a broker, a Pi and Home Assistant.

From the ground up, each room imports only rooms below it: trouble, progress, cache, processes, ports; debian (packages without
root), installer (pip and uv), interpreter (Home Assistant's Python), environments, programs (Mosquitto, Chromium,
...); broker, server, home_assistant, hass_client, house; demo, lanes, lint.

Everything up to server runs on the standard library alone, because it runs before any environment exists.
"""
