"""End-to-end tests, from the camera to the dashboard."""
