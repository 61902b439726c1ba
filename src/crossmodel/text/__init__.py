"""What several stages need to know about text: structure, grounding, similarity."""
