"""The control plane: health, metrics and the admin API, on an address of its own.

This package alone imports Starlette and uvicorn; ``ports`` imports neither.
"""
