"""Helpers of the server's tests."""
