"""Measurements that anyone can run again: ``python -m bot bench``. Never part of the service."""
