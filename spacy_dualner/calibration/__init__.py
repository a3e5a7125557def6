"""Calibration: confidences that say how often entities of that confidence are right."""
