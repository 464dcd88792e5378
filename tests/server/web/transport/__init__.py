"""Tests of `web/transport`."""
