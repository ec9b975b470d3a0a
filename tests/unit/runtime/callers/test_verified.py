from regent_runtime.callers import Caller, CallerKind
from regent_runtime.callers.verified import VerifiedTokens

EXPIRES = 100.0
CALLER = Caller(CallerKind.SERVICE_ACCOUNT, "caller", "demo")


class Verifier:
    """What is verified, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.verified: list[str] = []
        self.tokens = VerifiedTokens(self._verify, lambda: self.now)

    def _verify(self, token: str) -> tuple[Caller, float]:
        self.verified.append(token)
        return CALLER, EXPIRES

    def again(self, token: str) -> bool:
        """Whether it is verified when it is shown now."""
        before = len(self.verified)
        assert self.tokens.caller(token) is CALLER
        return len(self.verified) > before


def test_a_token_is_verified_once_until_the_moment_in_which_it_expires() -> None:
    verifier = Verifier()
    assert verifier.again("a")
    verifier.now = EXPIRES - 0.1
    assert not verifier.again("a")
    verifier.now = EXPIRES
    assert verifier.again("a")


def test_4096_are_remembered_and_the_oldest_is_forgotten_first() -> None:
    verifier = Verifier()
    for number in range(4096):
        assert verifier.again(str(number))
    assert not verifier.again("0")
    assert verifier.again("one more")
    assert not verifier.again("1")
    assert verifier.again("0")
