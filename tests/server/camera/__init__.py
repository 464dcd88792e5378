"""Tests of `camera`."""
