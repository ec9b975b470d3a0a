from regent_operator.plan.remembered import Remembered


class Named:
    """Equal to each of the same name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


def test_a_value_is_made_once_for_the_very_same_objects() -> None:
    one, other, remembered = Named("a"), Named("b"), Remembered[object](8)
    made = remembered.of(one, other, make=object)
    assert remembered.of(one, other, make=object) is made
    assert remembered.of(other, one, make=object) is not made


def test_an_equal_object_is_another() -> None:
    remembered = Remembered[object](8)
    one, same = Named("a"), Named("a")
    assert remembered.of(one, make=object) is not remembered.of(same, make=object)


def test_what_is_beside_the_objects_counts_by_its_value() -> None:
    one, remembered = Named("a"), Remembered[object](8)
    made = remembered.of(one, also=("x", 1), make=object)
    assert remembered.of(one, also=("x", 1), make=object) is made
    assert remembered.of(one, also=("x", 2), make=object) is not made


def test_an_object_stays_as_long_as_what_was_made_of_it() -> None:
    """Another one with its id would be taken for it."""
    remembered = Remembered[str](1000)
    for number in range(1000):
        assert remembered.of(Named(str(number)), make=lambda number=number: str(number)) == str(number)


def test_the_values_asked_for_last_are_kept() -> None:
    remembered = Remembered[object](2)
    objects = [Named(name) for name in "abc"]
    first, second = (remembered.of(each, make=object) for each in objects[:2])
    assert remembered.of(objects[0], make=object) is first
    remembered.of(objects[2], make=object)
    assert remembered.of(objects[0], make=object) is first
    assert remembered.of(objects[1], make=object) is not second
