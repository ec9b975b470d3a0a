-- ARGV: ..., owner, span, most bytes, overhead, content; where it has a meaning: log, meaning, most of a log.
local owner, span, most, overhead = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local content, log, meaning = ARGV[8], ARGV[9], ARGV[10]
local size = #content + overhead + (meaning and #meaning + overhead or 0)
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
local live = whole(math.ceil(span / 1000)) -- no grace: a class may bound how long it is kept
redis.call('SET', record, content, 'PX', live)
redis.call('ZADD', used, whole(now), id)
redis.call('ZADD', ends, whole(now + span), id)
redis.call('HSET', sizes, id, whole(size) .. ' ' .. owner .. (log and ' ' .. log or ''))
redis.call('HINCRBY', sizes, 'all', whole(size))
redis.call('SADD', owners .. owner, id)
for _, key in ipairs({used, ends, sizes, owners .. owner}) do keep(key, span) end
if log then
  log = answers .. log .. ':meanings'
  while redis.call('ZCARD', log) >= tonumber(ARGV[11]) do drop(redis.call('ZPOPMIN', log)[1]) end
  local newest = redis.call('ZRANGE', log, -1, -1, 'WITHSCORES')[2]
  redis.call('SET', record .. ':meaning', meaning, 'PX', live)
  redis.call('ZADD', log, whole(math.max(now, (newest or 0) + 1)), id) -- none comes before what was read already
  keep(log, span)
end
return 1
