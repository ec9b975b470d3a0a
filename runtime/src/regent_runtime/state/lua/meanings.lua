-- ARGV: ..., log, after, most, most bytes of each. Returns what was reached, whether there may be more, and
-- the meanings: dead entries count, so that none of them ends the reading.
local log = answers .. ARGV[4] .. ':meanings'
local after = ARGV[5] == '' and '0' or ARGV[5]
local read = redis.call('ZRANGEBYSCORE', log, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[6])
local found = {ARGV[5], #read == 2 * tonumber(ARGV[6]) and 1 or 0}
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
