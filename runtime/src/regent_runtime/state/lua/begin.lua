-- ARGV: ..., most, most of an owner, then pairs of the record.
redis.call('ZREMRANGEBYSCORE', all, '-inf', whole(now - span))
redis.call('ZREMRANGEBYSCORE', owned, '-inf', whole(now - span))
make_room(owned, tonumber(ARGV[6]))
make_room(all, tonumber(ARGV[5]))
redis.call('HSET', record, 'owner', owner, unpack(ARGV, 7))
touch()
return 1
