"""The component's tests with a server that speaks TLS."""
