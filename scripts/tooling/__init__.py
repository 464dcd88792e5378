"""The code behind scripts/demo, scripts/test and scripts/lint. The end-to-end tests and the benchmarks use it too.

Each layer imports only the layers above it in this list:

errors, progress, network, cache, processes: basics
debian, installer, interpreter, environments, programs, compiler: get packages, Python and programs without root
broker, server, home_assistant, proxies: one process each
hass_client, stack: a broker, a server and a Home Assistant that are connected to each other
pytest_run: runs pytest and counts
demo and run_demo, suites, lint: the commands

hass_client, stack and run_demo need aiohttp, so they run in the server's environment. Everything else needs only the
standard library, because it runs before there is an environment.
"""
