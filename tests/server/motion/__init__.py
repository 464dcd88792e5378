"""Tests of motion detection."""
