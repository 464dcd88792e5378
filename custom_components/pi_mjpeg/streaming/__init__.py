"""One upstream per camera, and its frames to any number of dashboards."""
