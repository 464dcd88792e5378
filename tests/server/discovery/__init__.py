"""Tests of `discovery`."""
