"""The terminal's face of a fleet: screens, plain text and JSON of what is measured now. Holds no logic of its own."""
