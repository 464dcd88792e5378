"""What the house learns, from real server processes by a real Mosquitto."""
