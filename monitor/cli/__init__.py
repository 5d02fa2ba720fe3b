"""driftd's commands, one file each; no logic."""
