"""The flights demo: a broker, a real model, real flights and the daemon, all on one machine."""
