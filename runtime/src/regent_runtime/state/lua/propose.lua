-- ARGV: ..., binding, span, most, then pairs of the record.
local binding, span = bindings .. ARGV[4], tonumber(ARGV[5])
local standing = redis.call('GET', binding)
if standing then
  local found = seen(records .. standing)
  if found then return found end
end
redis.call('ZREMRANGEBYSCORE', index, '-inf', whole(now))
if redis.call('ZCARD', index) >= tonumber(ARGV[6]) then return 0 end
redis.call('HSET', record, 'binding', ARGV[4], 'expires', whole(now + span), unpack(ARGV, 7))
redis.call('SET', binding, id)
redis.call('ZADD', index, whole(now + span), id)
for _, key in ipairs({record, binding, index}) do keep(key, span) end
return seen(record)
