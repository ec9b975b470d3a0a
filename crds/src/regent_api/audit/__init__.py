"""The audit log: one shape for who writes it (the runtime), who keeps it (the collector) and who checks it (the CLI).

    record     what is written down of a turn, and its canonical JSON
    chain      records linked by hash: `Chain.seal` gives a record its sequence and the hash of the one before
    frame      length and checksum around each record, so that a torn tail is seen
    segment    the files of a log: DIR/00000000000000000000.log, named by the sequence of their first record
    merkle     RFC 6962 tree over the records' hashes, kept in O(log n)
    note       C2SP signed notes, Ed25519
    checkpoint C2SP tlog-checkpoint: a signed statement of a log's size and root
    verify     finds what was changed, and names the first bad record
    subjects   a key for each caller: pseudonyms and digests that end with the key
    content    what was said, encrypted under the subject's key, beside the chain

A record's hash is the RFC 6962 leaf hash of its canonical bytes; it is what the next record names as `previous`, and
the tree's leaf. A log is named NAMESPACE/AGENT/POD_UID and has one writer. Nothing here knows a clock or a network.
"""
