"""Motion detection: pure functions on small grey pictures, with Pillow only."""
