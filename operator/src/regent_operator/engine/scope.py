"""Which namespaces the operator works in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """`namespaces` None: the whole cluster. The operator's own namespace is always read: it holds the floor."""

    own: str
    namespaces: frozenset[str] | None = None

    def manages(self, namespace: str) -> bool:
        """Whether agents and routes of the namespace are ours to work on."""
        return self.namespaces is None or namespace in self.namespaces

    def reads(self, namespace: str) -> bool:
        """Whether policies of the namespace may matter to our agents."""
        return self.manages(namespace) or namespace == self.own

    @property
    def read(self) -> tuple[str | None, ...]:
        """Namespaces to list policies in; (None,): all at once."""
        return (None,) if self.namespaces is None else tuple(sorted({*self.namespaces, self.own}))

    @property
    def managed(self) -> tuple[str | None, ...]:
        """Namespaces to list everything else in; (None,): all at once."""
        return (None,) if self.namespaces is None else tuple(sorted(self.namespaces))
