"""What automations ask of a camera, and the files that they want pictures in."""
