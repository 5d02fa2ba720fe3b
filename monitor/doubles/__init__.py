"""Stand-ins for the edges that ship with the package and pass the same contract suites as the real things."""
