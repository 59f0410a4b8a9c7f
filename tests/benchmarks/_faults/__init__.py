"""What `pccore bench faults` injects, and how it judges what is left."""
