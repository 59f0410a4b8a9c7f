"""Scripts that run where the models of other libraries are: they need nothing of pccore."""
