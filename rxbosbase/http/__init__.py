"""HTTP: the only package that sends requests and reads responses."""
