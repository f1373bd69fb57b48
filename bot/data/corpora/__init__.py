"""Readers of dialogue corpora, one file format a module; ``sources`` chooses among them."""
