"""How well motion is found: scenes with the truth, a film with people, and other detectors on the same pictures."""
