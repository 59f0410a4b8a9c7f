"""The compiled log-likelihood as plain arrays, for programs without this package."""
