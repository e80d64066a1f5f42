"""Predictions: the planner's costs become intervals of time, by a calibration measured in the lab."""
