"""Real Kubernetes clusters for tests, on a bare machine. README.md says how to use them."""

from .audit import AuditLog, Request
from .cluster import Cluster
from .command import CommandError
from .providers import control_plane, node

__all__ = ["AuditLog", "Cluster", "CommandError", "Request", "control_plane", "node"]
