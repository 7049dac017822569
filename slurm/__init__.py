"""Batch scripts of Slurm, installed as `nqs.slurm`."""
