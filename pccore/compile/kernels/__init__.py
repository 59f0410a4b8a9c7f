"""The few operations that do all the work, by backend."""
