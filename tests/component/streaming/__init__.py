"""Tests of `streaming`."""
