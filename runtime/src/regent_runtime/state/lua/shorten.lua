-- ARGV: ..., life.
if not known() then return false end
local life = tonumber(redis.call('HGET', record, 'life') or span)
redis.call('HSET', record, 'life', whole(math.min(life, tonumber(ARGV[5]))))
touch()
return 1
