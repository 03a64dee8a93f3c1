"""Training: it knows the nouns and the families, never the store or the page."""
