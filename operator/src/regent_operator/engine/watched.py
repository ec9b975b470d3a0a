"""Which collections are watched, and who is told of what is in them. The three kinds are kopf's, where it may read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from regent_operator.engine.reflector import Both, Collection, Observer
from regent_operator.engine.resources import (
    CHILDREN,
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    NAMESPACES,
    NOT_OURS,
    OURS,
    POD_LABEL,
    PODS,
    POLICIES,
    SERVICE_NAME_LABEL,
    SERVICES,
    Resource,
)
from regent_operator.engine.scope import Scope


@dataclass(frozen=True)
class Observers:
    """By what they are told of. Agents may refer to children of other agents, too."""

    children: Observer
    pods: Observer
    config_maps: Observer
    services: Observer
    endpoint_slices: Observer
    namespaces: Observer
    policies: Observer

    def of_children(self, resource: Resource) -> Observer:
        references = {CONFIG_MAPS: self.config_maps, SERVICES: self.services}.get(resource)
        return Both(self.children, references) if references else self.children


def watched(scope: Scope, observers: Observers) -> Iterator[tuple[Collection, Observer]]:
    for namespace in scope.managed:
        for resource in CHILDREN:
            quiet = resource != DEPLOYMENTS
            children = Collection(resource, namespace, labels=OURS, metadata_only=quiet, full_first=quiet)
            yield children, observers.of_children(resource)
        yield Collection(PODS, namespace, labels=POD_LABEL), observers.pods
        yield Collection(CONFIG_MAPS, namespace, labels=NOT_OURS, metadata_only=True), observers.config_maps
        yield Collection(SERVICES, namespace, labels=NOT_OURS, metadata_only=True), observers.services
        slices = f"{NOT_OURS},{SERVICE_NAME_LABEL}"
        yield Collection(ENDPOINT_SLICES, namespace, labels=slices), observers.endpoint_slices
    names: Sequence[str | None] = scope.managed
    for name in names:
        fields = f"metadata.name={name}" if name else None
        yield Collection(NAMESPACES, fields=fields, metadata_only=True), observers.namespaces
    if not scope.manages(scope.own):
        yield Collection(POLICIES, scope.own), observers.policies
        yield Collection(CONFIG_MAPS, scope.own, labels=NOT_OURS, metadata_only=True), observers.config_maps
