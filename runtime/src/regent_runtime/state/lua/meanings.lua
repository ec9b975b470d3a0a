-- ARGV: ..., log, after, most, most bytes of each. Returns what was reached, and the meanings.
local log = answers .. ARGV[4] .. ':meanings'
local found = {ARGV[5]}
local read = redis.call('ZRANGEBYSCORE', log, '(' .. ARGV[5], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[6])
for at = 1, #read, 2 do
  local content = lives(read[at]) and redis.call('GETRANGE', answers .. read[at] .. ':meaning', 0, ARGV[7] - 1)
  if content and content ~= '' then
    found[#found + 1] = content
  else
    redis.call('ZREM', log, read[at])
  end
  found[1] = read[at + 1]
end
return found
