"""Regent's contract: what users write, what the operator hands to a pod, and how both are identified.

Imports nothing of ours; operator, runtime and tests all read the same models, so they cannot drift apart.
"""

GROUP = "regent.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
