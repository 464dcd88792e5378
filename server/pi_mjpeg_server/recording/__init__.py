"""Recording: from a camera's frames, past and to come, to a kept clip."""
