"""The component's tests: a real Home Assistant core, a real HTTP server in the Pi's place, a real broker."""
