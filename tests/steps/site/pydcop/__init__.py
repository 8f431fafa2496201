"""A stand-in for pyDCOP: as much of it as the steps and the launcher touch."""
