return seen(record)
