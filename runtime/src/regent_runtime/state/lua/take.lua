-- KEYS: one a want. ARGV: holder, busy, then for each want: kind, most, span (microseconds). Returns the waits.
local now, busy = clock(), tonumber(ARGV[2])
local wants, waits, free = {}, {}, true
for i, key in ipairs(KEYS) do
  wants[i] = {key = key, kind = ARGV[3 * i], most = tonumber(ARGV[3 * i + 1]), span = tonumber(ARGV[3 * i + 2])}
  if wants[i].kind == 'window' then -- a server's clock may be set back; a log's never runs back
    now = math.max(now, tonumber(redis.call('LINDEX', key, -1) or 0))
  end
end
for i, want in ipairs(wants) do
  waits[i] = 0
  if want.kind == 'window' then
    local moment = redis.call('LINDEX', want.key, -want.most)
    if moment then waits[i] = math.max(0, tonumber(moment) + want.span - now) end
  else
    redis.call('ZREMRANGEBYSCORE', want.key, '-inf', whole(now))
    if redis.call('ZCARD', want.key) >= want.most then waits[i] = busy end
  end
  free = free and waits[i] == 0
end
if not free then return waits end
local most, span = {}, {}
for _, want in ipairs(wants) do
  if want.kind == 'window' then
    most[want.key] = math.max(most[want.key] or 0, want.most)
    span[want.key] = math.max(span[want.key] or 0, want.span)
  else
    redis.call('ZADD', want.key, whole(now + want.span), ARGV[1])
    keep(want.key, want.span)
  end
end
for key, held in pairs(most) do
  redis.call('RPUSH', key, whole(now))
  redis.call('LTRIM', key, -held, -1)
  keep(key, span[key])
end
return waits
