"""driftd's explicit tests, computed from profiles, beside Evidently's on the raw rows, which run in a process of their own."""
