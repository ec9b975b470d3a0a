-- ARGV: ..., owner. The id is empty, so `record` is what all records' names begin with.
local count = 0
for _, each in ipairs(redis.call('ZRANGE', owners .. ARGV[3], 0, -1)) do
  if fields(record .. each) then count = count + 1 end
  redis.call('UNLINK', record .. each)
  redis.call('ZREM', index, each)
end
redis.call('UNLINK', owners .. ARGV[3])
return count
