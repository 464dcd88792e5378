"""Motion detection: a detector that compares pictures, and a reader of a camera's frames that asks it."""
