"""What a turn leaves behind, durable before the caller learns of it.

journal   the pod's log: one writer, group commit, bounded disk
trail     the records of one turn: intent, attempts, outcome
refused   turns that never came to an intent, also when there is a flood of them
entry     records made from what a turn knows
keys      the subjects' keys, while they live in the pod
collection  the way to a collector: `shipping` and `contentshipping` send, `collectorkeys` asks, `collector` speaks
audit     the whole, as the process sees it
"""
