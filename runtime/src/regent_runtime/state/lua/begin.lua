-- ARGV: ..., most, most of an owner, visit, then pairs of the record. Returns how many are active at the pod.
redis.call('ZREMRANGEBYSCORE', all, '-inf', whole(now - span))
redis.call('ZREMRANGEBYSCORE', owned, '-inf', whole(now - span))
make_room(owned, tonumber(ARGV[6]))
make_room(all, tonumber(ARGV[5]))
redis.call('HSET', record, 'owner', owner, unpack(ARGV, 8))
touch()
visit(tonumber(ARGV[7]))
return active_here()
