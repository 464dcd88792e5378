"""The HTTP edge: routes, stream, stills, state and page."""
