"""A guard ended the turn: the caller gets a refusal in the place of an answer.

It is no error. The caller sees a 200 whose text is the policy's and whose `finish_reason` is `content_filter`, as
OpenAI's own API answers, so clients need no branch for it; which rule it was stands in the record alone.
"""

from regent_api.policy import REFUSAL_DEFAULT


class Withheld(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """Ends a turn. `text` is the policy's `guardrails.refusal`, never what a guard found.

    Before the first chunk the whole answer becomes the text; a stream that has begun only ends, because words that
    are out cannot be taken back.
    """

    def __init__(self, text: str = REFUSAL_DEFAULT) -> None:
        super().__init__("withheld")
        self.text = text
