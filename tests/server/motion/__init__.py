"""Tests of `motion`."""
