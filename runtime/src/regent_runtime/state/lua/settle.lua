-- ARGV: cost.
local found = redis.call('HMGET', held, 'amount', 'expires', 'purses')
redis.call('UNLINK', held)
if not found[1] or tonumber(found[2]) <= now then return 0 end
local more = tonumber(ARGV[1]) - tonumber(found[1])
for _, key in ipairs(cjson.decode(found[3])) do
  if redis.call('EXISTS', key) == 1 then redis.call('INCRBY', key, whole(more)) end
end
return 1
