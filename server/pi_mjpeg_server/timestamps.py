"""Moments as the contract writes them: ISO 8601 in UTC with milliseconds."""

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """Write a moment given in seconds since 1970."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
