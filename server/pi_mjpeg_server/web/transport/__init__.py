"""Sockets: listening, accepting, TLS, and the limits of a connection. Knows nothing of routes."""
