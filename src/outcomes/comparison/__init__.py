"""Several studies side by side: which, of what, at which days. Nothing is pooled."""
