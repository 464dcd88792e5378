"""Clips of the servers as files and films, and the URLs at which Home Assistant serves them."""
