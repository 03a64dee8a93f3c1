"""Boxloop: compare vision-language models on your pictures, correct them, fine-tune them, measure the gain."""
