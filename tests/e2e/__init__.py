"""The whole house, from the camera to the dashboard."""
