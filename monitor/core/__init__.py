"""The pure inside of driftd: no I/O, no clock, no logging, no environment, no unseeded randomness."""
