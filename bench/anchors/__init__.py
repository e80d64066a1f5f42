"""The regression tests of anchors: false alarms on unchanged streams, executions until a slow-down is found, load."""
