from regent_runtime.cache.sealed import MEANING, Seal

DIGEST = bytes(32)
SECRET = b"s" * 32


def test_what_was_sealed_opens_under_the_same_digest_and_secret() -> None:
    sealed = Seal.of(DIGEST, SECRET).close(b"an answer")
    assert b"answer" not in sealed
    assert Seal.of(DIGEST, SECRET).open(sealed) == b"an answer"


def test_equal_answers_are_sealed_differently() -> None:
    seal = Seal.of(DIGEST, SECRET)
    assert seal.close(b"yes") != seal.close(b"yes")


def test_another_request_or_another_secret_has_another_id_and_opens_nothing() -> None:
    seal = Seal.of(DIGEST, SECRET)
    sealed = seal.close(b"an answer")
    for other in (Seal.of(b"d" * 32, SECRET), Seal.of(DIGEST, b"t" * 32), Seal.of(DIGEST, SECRET, MEANING)):
        assert other.id != seal.id
        assert other.open(sealed) is None


def test_changed_and_foreign_bytes_open_nothing() -> None:
    seal = Seal.of(DIGEST, SECRET)
    sealed = seal.close(b"an answer")
    assert [seal.open(each) for each in (b"", sealed[:-1], sealed[:-1] + b"x", b"x" * 40)] == [None] * 4


def test_the_id_tells_neither_key_nor_digest() -> None:
    seal = Seal.of(DIGEST, SECRET)
    assert len(seal.id) == 64
    assert seal._key.hex() not in seal.id
    assert "_key" not in repr(seal)
