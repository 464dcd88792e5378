"""Tests of the blueprints, in a real Home Assistant."""
