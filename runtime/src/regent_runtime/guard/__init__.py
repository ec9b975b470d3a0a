"""Guards: what a turn's texts may hold, on their way in and on their way out."""
