"""Helpers of the component's tests."""
