"""Tests of the room selftest."""
