"""What turns cost: exact where the provider says what it counted, an upper bound and a reason where it does not."""
