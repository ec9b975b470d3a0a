-- ARGV: ..., binding, span, most, most of an owner, owner, then pairs of the record. -1: no room for the owner, 0: for nobody.
local span, own = tonumber(ARGV[4]), owners .. ARGV[7]
for _, key in ipairs({index, own}) do redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now)) end
if redis.call('ZCARD', own) >= tonumber(ARGV[6]) then return -1 end
if redis.call('ZCARD', index) >= tonumber(ARGV[5]) then return 0 end
redis.call('HSET', record, 'binding', ARGV[3], 'expires', whole(now + span), 'owner', ARGV[7], unpack(ARGV, 8))
for _, key in ipairs({index, own}) do redis.call('ZADD', key, whole(now + span), id) end
for _, key in ipairs({record, index, own}) do keep(key, span) end
return seen(record)
