-- ARGV: ..., owner, span, most bytes, overhead, content.
local owner, span, most = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local content = ARGV[8]
local size = #content + tonumber(ARGV[7])
if size > most then return 0 end
drop(id)
end_expired()
while tonumber(redis.call('HGET', sizes, 'all') or 0) + size > most do
  local oldest = redis.call('ZRANGE', used, 0, 0)[1]
  if not oldest then -- an index was lost
    redis.call('DEL', sizes)
    break
  end
  drop(oldest)
end
redis.call('SET', record, content, 'PX', whole(math.ceil(span / 1000))) -- no grace: a class may bound how long it is kept
redis.call('ZADD', used, whole(now), id)
redis.call('ZADD', ends, whole(now + span), id)
redis.call('HSET', sizes, id, whole(size) .. ' ' .. owner)
redis.call('HINCRBY', sizes, 'all', whole(size))
redis.call('SADD', owners .. owner, id)
for _, key in ipairs({used, ends, sizes, owners .. owner}) do keep(key, span) end
return 1
