"""The HTTP server: the live picture, snapshots, the JSON API and the page."""
