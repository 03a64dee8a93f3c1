"""The demo models: a drawn world (SCENES.md), two tiny checkpoints trained on it, and their measurement."""
