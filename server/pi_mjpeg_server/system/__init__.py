"""The machine: its identity, its health, and the systemd service that runs the server on it."""
