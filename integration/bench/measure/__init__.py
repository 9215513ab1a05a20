"""What `run` and `grow` are made of: build, start, count, do the work, report."""
