"""Labels: what came true, joined by id to the predictions that waited for it."""
