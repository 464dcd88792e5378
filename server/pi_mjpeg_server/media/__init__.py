"""Pictures as bytes: frames, JPEG headers, smaller copies and drawn pictures. Knows nothing of cameras or clients."""
