-- ARGV: ..., rank.
if not known() then return false end
local rank = math.max(tonumber(redis.call('HGET', record, 'label')), tonumber(ARGV[5]))
redis.call('HSET', record, 'label', whole(rank))
return rank
