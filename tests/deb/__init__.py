"""The tests of the Debian package."""
