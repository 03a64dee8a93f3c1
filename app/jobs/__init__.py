"""Long work in processes of its own: the queue and its supervisor here, the worker's side in run.py."""
