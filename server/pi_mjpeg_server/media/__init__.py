"""Pictures as bytes: frames, JPEG headers, scaling and placards. Knows nothing of cameras or clients."""
