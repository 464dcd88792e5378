"""Tests of the Pi half."""
