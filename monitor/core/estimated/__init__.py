"""Performance estimated without labels: from scores, or from the profile."""
