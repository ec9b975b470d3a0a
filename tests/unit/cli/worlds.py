"""Manifests for the tests of the CLI, as bundles."""

from pathlib import Path

import yaml

from regent_operator.cli.bundle import Bundle, gather
from regent_operator.cli.manifests import Manifest

AGENT = """
apiVersion: regent.dev/v1alpha1
kind: AIAgent
metadata: {name: helper, namespace: shop}
spec: {instructions: {inline: Help.}, modelRouteRef: {name: models}, sensitivity: Internal}
"""
ROUTE = """
apiVersion: regent.dev/v1alpha1
kind: ModelRoute
metadata: {name: models, namespace: shop}
spec:
  providers:
  - {name: demo, type: Local, baseURL: 'http://demo.models.svc:8080/v1', api: ChatCompletions, model: m, maxSensitivity: Restricted}
  rules: [{name: all, providers: [{name: demo}]}]
"""
MODEL = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: model, namespace: models}
spec:
  template:
    metadata: {labels: {app: model, tier: small}}
    spec: {containers: [{name: model, image: 'localhost/regent-demo-model:0.1.0'}]}
---
apiVersion: v1
kind: Service
metadata: {name: demo, namespace: models}
spec: {selector: {app: model}, ports: [{port: 8080, targetPort: http}]}
"""


def bundle(*texts: str) -> Bundle:
    documents = [document for text in texts for document in yaml.safe_load_all(text)]
    return gather([Manifest(Path("world.yaml"), document) for document in documents], [], "default")
