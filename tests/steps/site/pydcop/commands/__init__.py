"""The stand-in's commands."""
