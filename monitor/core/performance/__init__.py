"""How well a model did, from labelled rows: mergeable counts, metrics with intervals, verdicts and the worst slices."""
