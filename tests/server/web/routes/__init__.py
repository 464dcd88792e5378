"""Tests of `web/routes`."""
