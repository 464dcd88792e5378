"""The privacy switch: off means off, in Home Assistant as at the Pi."""
