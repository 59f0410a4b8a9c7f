"""The datasets that come with the package, found by discovery: one module each."""
